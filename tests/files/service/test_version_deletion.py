"""Service: delete all versions of a deleted file."""

from datetime import timedelta
from io import BytesIO

import pytest
from sqlalchemy import func, select, update

from project.core.clock import now
from project.core.database.session import atomic, db
from project.files import service
from project.files.models import File, Version
from project.users import service as users
from tests.files.file_io import store
from tests.kit.tasks import run_pending_tasks


class TestDeleteVersions:
    @pytest.mark.parametrize('how', ['delete', 'empty', 'sweep', 'user'])
    def test_deletes_all_versions_and_their_bytes(self, app, ada, kept, how):
        file = store(ada.id, b'first')
        service.replace_content(ada.id, file.id, BytesIO(b'second'))
        if how == 'delete':
            service.delete_file(ada.id, file.id)
        elif how == 'user':
            users.delete_user(ada.id)
        else:
            service.trash_file(ada.id, file.id)
            with atomic():
                long_ago = now() - timedelta(days=99)
                db.session.execute(update(File).values(trashed_at=long_ago))
            service.empty_trash(ada.id) if how == 'empty' else list(service.collect_garbage())
        run_pending_tasks(app)

        assert service.get_usage(ada.id)['used'] == 0
        list(service.collect_garbage())
        assert kept() == []
        assert db.session.scalar(select(func.count()).select_from(Version)) == 0

    def test_garbage_collection_keeps_the_bytes_of_old_versions(self, ada, kept):
        file = store(ada.id, b'first')
        service.replace_content(ada.id, file.id, BytesIO(b'second'))

        list(service.collect_garbage())

        assert len(kept()) == 2
