"""Service functions of the feature `files`. They never find files of other users."""

from .archives import MAX_FILES_PER_ARCHIVE, open_archive
from .content import (
    ensure_replaceable,
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
    find_file,
    get_file,
    list_files,
    list_versions,
    restore_file,
    trash_file,
    update_file,
)
from .links import (
    count_download,
    create_link,
    delete_link,
    list_links,
    open_shared,
    resolve_link,
    unlock_link,
)
from .malware_scanning import scan_files
from .personal_data import erase_file_data
from .public_files import get_published_path, publish_file, published_folder, unpublish_file
from .quota import file_stats, get_report, get_usage, set_quota
from .resumable_uploads import (
    Progress,
    append,
    create_upload,
    create_with_chunk,
    delete_upload,
    get_upload,
)
from .storage.garbage_collection import (
    collect_garbage,
    garbage_collection_pause_end,
    pause_garbage_collection,
    storage_stats,
)
from .storage.integrity import IntegrityIssue, check_integrity
from .storage.storage_migration import move_storage
from .thumbnails import THUMBNAIL_EDGES_PIXELS, open_thumbnail
from .trash import empty_trash
from .upload_reservations import ReservedUpload, open_upload

__all__ = [
    'MAX_FILES_PER_ARCHIVE',
    'THUMBNAIL_EDGES_PIXELS',
    'IntegrityIssue',
    'Progress',
    'ReservedUpload',
    'append',
    'check_integrity',
    'collect_garbage',
    'count_download',
    'create_link',
    'create_upload',
    'create_with_chunk',
    'delete_file',
    'delete_link',
    'delete_upload',
    'empty_trash',
    'ensure_replaceable',
    'erase_file_data',
    'file_stats',
    'find_file',
    'garbage_collection_pause_end',
    'get_file',
    'get_published_path',
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
    'pause_garbage_collection',
    'publish_file',
    'published_folder',
    'replace_content',
    'replace_with_upload',
    'resolve_link',
    'restore_file',
    'restore_version',
    'scan_files',
    'set_quota',
    'storage_stats',
    'store_file',
    'store_upload',
    'trash_file',
    'unlock_link',
    'unpublish_file',
    'update_file',
]  # fmt: skip
