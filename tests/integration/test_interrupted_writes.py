"""Operations that store objects, interrupted by an error or a kill after each step.

One garbage collection afterwards must be enough to delete all unused objects.
"""

from contextlib import suppress

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from sqlalchemy import select

from project.core.database.session import db
from project.files import service as files
from project.files.models import File
from project.users import service as users
from project.users.errors import AvatarNotFound
from tests.concurrency import separate_app
from tests.interrupted_writes import (
    CASES,
    OPERATIONS,
    ROUNDS,
    STEPS,
    Writer,
    assert_consistent,
    collect_everything,
    interrupt,
)
from tests.reliability.harness import IS_LONG
from tests.users.factories import UserFactory

EXAMPLES, STEPS_PER_EXAMPLE = (100, 40) if IS_LONG else (3, 12)


@pytest.fixture
def app_of_writes(tmp_path, monkeypatch):
    """Yield an application that really commits, and that does not decode images."""
    for module in ('users.service.avatars', 'files.service.thumbnails'):
        monkeypatch.setattr(f'project.{module}.resize_to_webp', lambda *_, **__: b'RIFF picture')
    with separate_app(tmp_path) as app:
        yield app


class TestEveryStep:
    def test_leaves_no_objects_after_an_error(self, app_of_writes):
        writer = new_writer()
        for operation in list(OPERATIONS) * ROUNDS:
            for step, fault in CASES:
                if fault != 'kill':
                    interrupt(app_of_writes, writer, operation, step, fault)

        assert_consistent()

    @pytest.mark.servers
    def test_leaves_no_objects_of_killed_processes_after_a_collection(self, app_of_writes):
        writer = new_writer()
        for operation in list(OPERATIONS) * ROUNDS:
            for step in STEPS:
                interrupt(app_of_writes, writer, operation, step, 'kill')
            OPERATIONS[operation](writer)

        collect_everything()

        assert_consistent()


class InterruptedWrites(RuleBasedStateMachine):
    """State machine that interrupts writes, deletions and garbage collections in any order."""

    app = None

    def __init__(self):
        super().__init__()
        self.writers = [new_writer(), new_writer()]

    @rule(
        index=st.integers(0, 1),
        operation=st.sampled_from(sorted(OPERATIONS)),
        case=st.sampled_from(CASES),
    )
    def interrupt(self, index, operation, case):
        interrupt(self.app, self.writers[index], operation, *case)

    @rule(index=st.integers(0, 1), operation=st.sampled_from(sorted(OPERATIONS)))
    def finish(self, index, operation):
        OPERATIONS[operation](self.writers[index])

    @rule(index=st.integers(0, 1))
    def delete_file(self, index):
        owner = self.writers[index].owner_id
        mine = select(File.id).where(File.owner_id == owner).order_by(File.created_at)
        if file_id := db.session.scalar(mine.limit(1)):
            files.delete_file(owner, file_id)

    @rule(index=st.integers(0, 1))
    def remove_avatar(self, index):
        with suppress(AvatarNotFound):
            users.remove_avatar(self.writers[index].owner_id)

    @rule(index=st.integers(0, 1))
    def delete_user(self, index):
        users.delete_user(self.writers[index].owner_id)
        self.writers[index] = new_writer()

    @rule()
    def collect(self):
        collect_everything()
        assert_consistent()

    def teardown(self):
        """Check that one garbage collection is enough after all these operations."""
        self.collect()


@pytest.mark.servers
def test_one_collection_is_enough_after_any_interrupted_writes(app_of_writes, monkeypatch):
    monkeypatch.setattr(InterruptedWrites, 'app', app_of_writes)
    run_state_machine_as_test(
        InterruptedWrites,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS_PER_EXAMPLE,
            deadline=None,
            derandomize=not IS_LONG,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate],
        ),
    )


def new_writer():
    """Return a `Writer` with a quota that no test exceeds."""
    user = UserFactory()
    files.set_quota(user.id, 10**9)
    return Writer(user.id)
