"""What may happen to files. An owner is a user's id: another's file does not exist."""

from .archives import MOST as MOST_ARCHIVED
from .archives import open_archive
from .content import (
    open_content,
    open_version,
    replace_content,
    replace_with_upload,
    restore_version,
    store_file,
    store_upload,
)
from .files import (
    delete_file,
    empty_trash,
    get_file,
    list_files,
    list_versions,
    restore_file,
    trash_file,
    update_file,
)
from .garbage_collection import sweep
from .integrity import Fault, check
from .links import (
    count_download,
    create_link,
    delete_link,
    follow_link,
    list_links,
    open_shared,
)
from .malware_scanning import scan_files
from .personal_data import forget_files
from .public_files import check_published_name, publish_file, published_folder, unpublish_file
from .quota import file_stats, get_report, get_usage, set_quota
from .resumable_uploads import (
    Progress,
    append,
    create_upload,
    create_with_piece,
    delete_upload,
    get_upload,
)
from .storage_migration import move_storage
from .thumbnails import EDGES, open_thumbnail
from .upload_reservations import open_upload

__all__ = [
    'EDGES',
    'MOST_ARCHIVED',
    'Fault',
    'Progress',
    'append',
    'check',
    'check_published_name',
    'count_download',
    'create_link',
    'create_upload',
    'create_with_piece',
    'delete_file',
    'delete_link',
    'delete_upload',
    'empty_trash',
    'file_stats',
    'follow_link',
    'forget_files',
    'get_file',
    'get_report',
    'get_upload',
    'get_usage',
    'list_files',
    'list_links',
    'list_versions',
    'move_storage',
    'open_archive',
    'open_content',
    'open_shared',
    'open_thumbnail',
    'open_upload',
    'open_version',
    'publish_file',
    'published_folder',
    'replace_content',
    'replace_with_upload',
    'restore_file',
    'restore_version',
    'scan_files',
    'set_quota',
    'store_file',
    'store_upload',
    'sweep',
    'trash_file',
    'unpublish_file',
    'update_file',
]
