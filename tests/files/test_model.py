"""Random operations on files, in the service and in a simplified model in memory.

After each operation, the rows, the bytes and the quotas must match the model.
"""

import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import delete, select

from project.core.clock import now
from project.core.database.keyset_pagination import PageRequest
from project.core.database.session import Base, atomic, db
from project.core.storage import FallbackStorage, LocalStorage, copy_all
from project.files import service
from project.files.errors import FileNotFound, LinkNotFound, QuotaExceeded, UploadNotFound
from project.files.models import Blob, Version
from project.files.service.trash import delete_emptied_trash
from project.files.service.upload_reservations import release_expired_reservations
from tests.kit.clock import Travel
from tests.reliability.harness import IS_LONG
from tests.users.factories import UserFactory, principal_of

KEPT = 2  # versions per file
TRASHED_FOR = timedelta(days=30)
EXAMPLES, STEPS = (150, 50) if IS_LONG else (6, 25)

CONTENTS = [b'', b'a', b'Hello.', b'x' * 1000, b'x' * 999 + b'y', b'z' * 30_000]
contents = st.sampled_from(CONTENTS)
owners = st.integers(0, 1)


@dataclass
class ModelFile:
    """A file in the in-memory model with which the test compares the service."""

    owner: int
    id: UUID
    versions: dict[int, bytes]
    trashed_at: datetime | None = None
    links: dict[str, int] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Return the total size of the versions, which counts against the owner's quota."""
        return sum(map(len, self.versions.values()))

    def add(self, content: bytes) -> None:
        """Add a version, and delete the oldest one if there are more than `KEPT`."""
        number = max(self.versions) + 1
        self.versions[number] = content
        self.versions.pop(number - KEPT, None)


@dataclass
class ModelUpload:
    """A resumable upload in the in-memory model with which the test compares the service."""

    owner: int
    id: UUID
    content: bytes
    expires_at: datetime
    offset: int = 0


class Model(RuleBasedStateMachine):
    """State machine that runs each operation in the service and in the in-memory model.

    The files belong to two users. Hypothesis chooses the operations.
    """

    app: Flask
    folder: Path

    files = Bundle('files')
    uploads = Bundle('uploads')
    links = Bundle('links')

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[UUID, ModelFile] = {}
        self.pending: dict[UUID, ModelUpload] = {}
        self.quota = [100_000, 100_000]
        self.place = LocalStorage(self.folder / uuid4().hex)
        self.app.extensions['storage'] = self.place
        self.app.config['STORAGE_URL'] = f'file://{self.place.root}'
        users = [UserFactory() for _ in self.quota]
        self.ids = [user.id for user in users]
        self.principals = [principal_of(user) for user in users]
        for owner, quota in enumerate(self.quota):
            service.set_quota(self.ids[owner], quota)
        self.travel = Travel().__enter__()

    def teardown(self) -> None:
        """Delete all rows, because the next sequence of operations uses the same database."""
        self.travel.__exit__()
        with atomic():
            for table in reversed(Base.metadata.sorted_tables):
                if table.name.startswith(('files', 'core')):
                    db.session.execute(delete(table))

    # Operations: uploads and new versions.

    @rule(target=files, owner=owners, content=contents, is_announced=st.booleans())
    def upload(self, owner: int, content: bytes, is_announced: bool) -> Any:
        length = len(content) if is_announced else None
        fits = self._fits(owner, len(content))
        try:
            file = service.store_file(self.ids[owner], BytesIO(content), length=length)
        except QuotaExceeded:
            assert not fits
            return multiple()
        assert fits or not content
        return self._add_file(owner, file.id, content)

    @rule(target=uploads, owner=owners, content=contents.filter(bool))
    def create_upload(self, owner: int, content: bytes) -> Any:
        try:
            upload = service.create_upload(self.ids[owner], length=len(content), name=None)
        except QuotaExceeded:
            assert not self._fits(owner, len(content))
            return multiple()
        assert self._fits(owner, len(content))
        self.pending[upload.id] = ModelUpload(owner, upload.id, content, now() + timedelta(days=1))
        return upload.id

    @rule(target=files, upload_id=uploads, size=st.integers(1, 40_000))
    def append(self, upload_id: UUID, size: int) -> Any:
        upload = self.pending.get(upload_id)
        if upload is None:
            return multiple()
        chunk = upload.content[upload.offset : upload.offset + size]
        try:
            done = service.append(
                self.ids[upload.owner], upload_id, BytesIO(chunk), offset=upload.offset
            )
        except QuotaExceeded:
            counted = self._used(upload.owner) + self._reserved(upload.owner)
            assert counted > self.quota[upload.owner]
            return multiple()
        except UploadNotFound:
            # An expired upload can no longer be continued. Its reservation stays until
            # `collect_garbage`.
            assert upload.expires_at <= now()
            return multiple()
        upload.offset += len(chunk)
        upload.expires_at = now() + timedelta(days=1)
        assert done.offset == upload.offset
        if done.file_id is None:
            return multiple()
        assert upload.offset == len(upload.content)
        del self.pending[upload_id]
        return self._add_file(upload.owner, done.file_id, upload.content)

    @rule(upload_id=consumes(uploads))
    def cancel(self, upload_id: UUID) -> None:
        upload = self.pending.pop(upload_id, None)
        if upload:
            service.delete_upload(self.ids[upload.owner], upload_id)

    @rule(file_id=files, content=contents)
    def replace(self, file_id: UUID, content: bytes) -> None:
        file = self.known.get(file_id)
        if file is None:
            return
        try:
            service.replace_content(self.ids[file.owner], file_id, BytesIO(content))
        except QuotaExceeded:
            assert not self._fits(file.owner, len(content))
        except FileNotFound:
            assert file.trashed_at
        else:
            assert not file.trashed_at
            file.add(content)

    @rule(file_id=files, number=st.integers(1, 5))
    def restore_version(self, file_id: UUID, number: int) -> None:
        file = self.known.get(file_id)
        if file is None:
            return
        there = file.versions.get(number)
        try:
            service.restore_version(self.ids[file.owner], file_id, number)
        except FileNotFound:
            assert there is None or file.trashed_at
        except QuotaExceeded:
            assert there is not None
            assert not self._fits(file.owner, len(there))
        else:
            assert there is not None
            file.add(there)

    # Operations: trash and deletion.

    @rule(file_id=files)
    def trash(self, file_id: UUID) -> None:
        if file := self.known.get(file_id):
            service.trash_file(self.ids[file.owner], file_id)
            file.trashed_at = file.trashed_at or now()

    @rule(file_id=files)
    def restore(self, file_id: UUID) -> None:
        if file := self.known.get(file_id):
            service.restore_file(self.ids[file.owner], file_id)
            file.trashed_at = None

    @rule(file_id=consumes(files))
    def delete(self, file_id: UUID) -> None:
        if file := self.known.pop(file_id, None):
            service.delete_file(self.ids[file.owner], file_id)

    @rule(owner=owners)
    def empty_trash(self, owner: int) -> None:
        gone = [f.id for f in self._of(owner) if f.trashed_at]
        service.empty_trash(self.ids[owner])
        delete_emptied_trash(self.ids[owner])
        for file_id in gone:
            del self.known[file_id]

    @rule()
    def collect_garbage(self) -> None:
        release_expired_reservations()
        self.pending = {u.id: u for u in self.pending.values() if u.expires_at > now()}
        list(service.collect_garbage())
        before = now() - TRASHED_FOR
        self.known = {
            f.id: f for f in self.known.values() if not (f.trashed_at and f.trashed_at < before)
        }
        # Exactly the blobs that no file uses are deleted.
        assert set(db.session.scalars(select(Blob.sha256))) == self._hashes()
        assert {
            listed.name.rpartition('/')[2] for listed in self.place.iterate_names('blobs')
        } == self._hashes()

    @rule(days=st.sampled_from([0.01, 0.6, 20.0]))
    def wait(self, days: float) -> None:
        self.travel(days=days)

    # Operations: share links, quotas and a move to another storage.

    @rule(target=links, file_id=files, most=st.sampled_from([None, 1, 2]))
    def share(self, file_id: UUID, most: int | None) -> Any:
        file = self.known.get(file_id)
        if file is None or file.trashed_at:
            return multiple()
        by = self.principals[file.owner]
        token = service.create_link(by, file_id, max_downloads=most)['token']
        file.links[token] = 1_000_000 if most is None else most
        return (file_id, token)

    @rule(link=links)
    def open_link(self, link: tuple[UUID, str]) -> None:
        file = self.known.get(link[0])
        is_good = file is not None and not file.trashed_at and file.links[link[1]] > 0
        try:
            row, _, stream = service.open_shared(link[1])
        except (LinkNotFound, FileNotFound):
            assert not is_good
            return
        with closing(stream):
            service.count_download(row, stream)
            assert is_good
            assert file is not None
            assert stream.read() == file.versions[max(file.versions)]
        file.links[link[1]] -= 1

    @rule(owner=owners, quota=st.sampled_from([0, 2000, 40_000, 100_000]))
    def set_quota(self, owner: int, quota: int) -> None:
        service.set_quota(self.ids[owner], quota)
        self.quota[owner] = quota

    @precondition(lambda self: not isinstance(self.app.extensions['storage'], FallbackStorage))
    @rule()
    def begin_move(self) -> None:
        new = LocalStorage(self.folder / uuid4().hex)
        # Both storages use the same folder for partial uploads.
        new.spool = self.place.spool
        self.app.extensions['storage'] = SharedSpoolStorage(new, self.place)
        self.app.config['STORAGE_URL'] = f'file://{new.root}'
        self.place = SharedSpoolStorage(new, self.place)

    @precondition(lambda self: isinstance(self.app.extensions['storage'], FallbackStorage))
    @rule()
    def end_move(self) -> None:
        both = self.place
        assert all(moved.outcome in ('moved', 'there') for moved in copy_all(both.old, both.new))
        self.place = self.app.extensions['storage'] = both.new

    # Invariants, which Hypothesis checks after each operation.

    @invariant()
    def has_the_rows_and_the_usage(self) -> None:
        db.session.remove()
        for owner, owner_id in enumerate(self.ids):
            usage = service.get_usage(owner_id)
            assert (usage['used'], usage['reserved']) == (self._used(owner), self._reserved(owner))
            assert usage['quota'] == self.quota[owner]
            for is_trashed in (False, True):
                page = service.list_files(
                    owner_id, PageRequest(limit=200, filters={'trashed': is_trashed})
                )
                listed = {f.id for f in self._of(owner) if bool(f.trashed_at) == is_trashed}
                assert {row.id for row in page.items} == listed
        found: dict[tuple[UUID, int], str] = {
            (row.file_id, row.number): row.sha256
            for row in db.session.execute(select(Version.file_id, Version.number, Version.sha256))
        }
        assert found == {
            (f.id, number): sha256(content).hexdigest()
            for f in self.known.values()
            for number, content in f.versions.items()
        }

    @invariant()
    def has_all_bytes(self) -> None:
        place = self.app.extensions['storage']
        for content in {c for f in self.known.values() for c in f.versions.values()}:
            name = sha256(content).hexdigest()
            with place.open(f'blobs/{name[:2]}/{name[2:4]}/{name}') as stored:
                assert stored.read() == content

    @invariant()
    def has_no_faults(self) -> None:
        assert [fault for fault in service.check_integrity() if fault] == []

    @invariant()
    def has_the_offsets_of_uploads(self) -> None:
        for upload in self.pending.values():
            if upload.expires_at > now():
                row = service.get_upload(self.ids[upload.owner], upload.id)
                assert row.offset == upload.offset

    def _add_file(self, owner: int, file_id: UUID, content: bytes) -> UUID:
        self.known[file_id] = ModelFile(owner, file_id, {1: content})
        return file_id

    def _of(self, owner: int) -> Iterator[ModelFile]:
        return (file for file in self.known.values() if file.owner == owner)

    def _used(self, owner: int) -> int:
        return sum(file.size for file in self._of(owner))

    def _reserved(self, owner: int) -> int:
        return sum(len(u.content) for u in self.pending.values() if u.owner == owner)

    def _fits(self, owner: int, size: int) -> bool:
        return size == 0 or self._used(owner) + self._reserved(owner) + size <= self.quota[owner]

    def _hashes(self) -> set[str]:
        return {
            sha256(content).hexdigest()
            for f in self.known.values()
            for content in f.versions.values()
        }


class SharedSpoolStorage(FallbackStorage):
    """A new and an old storage that use the same folder for partial uploads."""


@pytest.mark.timeout(1800)
@pytest.mark.slow('runs generated sequences of calls')
def test_rows_bytes_and_quotas_agree_after_random_operations(
    own_app: Flask, tmp_path: Path
) -> None:
    own_app.config['FILES_VERSIONS_KEPT'] = KEPT
    own_app.config['FILES_TRASH_LIFETIME'] = TRASHED_FOR
    Model.app, Model.folder = own_app, tmp_path
    steps = []

    class Counted(Model):
        def check_invariants(self, *given: Any, **named: Any) -> None:
            steps.append(1)
            super().check_invariants(*given, **named)

    run_state_machine_as_test(
        Counted,
        settings=settings(
            max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None, derandomize=False,
            suppress_health_check=list(HealthCheck), database=None,
            phases=(Phase.generate, Phase.shrink),
        ),
    )  # fmt: skip
    if os.environ.get('SOAK'):
        print(len(steps), 'steps')  # noqa: T201
