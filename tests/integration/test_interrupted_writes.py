"""Rejections, errors and kills at every step of storing bytes, then one garbage collection."""

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
    """An application that really commits; pictures are not decoded."""
    for module in ('users.service.avatars', 'files.service.thumbnails'):
        monkeypatch.setattr(f'project.{module}.resize_to_webp', lambda *_, **__: b'RIFF picture')
    with separate_app(tmp_path) as app:
        yield app


class TestEveryStep:
    def test_leaves_nothing_of_an_error_even_without_a_collection(self, app_of_writes):
        writer = new_writer()
        for operation in list(OPERATIONS) * ROUNDS:
            for step, fault in CASES:
                if fault != 'kill':
                    interrupt(app_of_writes, writer, operation, step, fault)

        assert_consistent()

    @pytest.mark.servers
    def test_leaves_nothing_of_a_killed_process_after_a_collection(self, app_of_writes):
        writer = new_writer()
        for operation in list(OPERATIONS) * ROUNDS:
            for step in STEPS:
                interrupt(app_of_writes, writer, operation, step, 'kill')
            OPERATIONS[operation](writer)

        collect_everything()

        assert_consistent()


class InterruptedWrites(RuleBasedStateMachine):
    """Any order of interrupted writes, deletions and collections."""

    app = None

    def __init__(self):
        super().__init__()
        self.writers = [new_writer(), new_writer()]

    @rule(
        who=st.integers(0, 1),
        operation=st.sampled_from(sorted(OPERATIONS)),
        case=st.sampled_from(CASES),
    )
    def interrupt(self, who, operation, case):
        interrupt(self.app, self.writers[who], operation, *case)

    @rule(who=st.integers(0, 1), operation=st.sampled_from(sorted(OPERATIONS)))
    def finish(self, who, operation):
        OPERATIONS[operation](self.writers[who])

    @rule(who=st.integers(0, 1))
    def delete_file(self, who):
        owner = self.writers[who].owner_id
        mine = select(File.id).where(File.owner_id == owner).order_by(File.created_at)
        if file_id := db.session.scalar(mine.limit(1)):
            files.delete_file(owner, file_id)

    @rule(who=st.integers(0, 1))
    def remove_avatar(self, who):
        with suppress(AvatarNotFound):
            users.remove_avatar(self.writers[who].owner_id)

    @rule(who=st.integers(0, 1))
    def delete_user(self, who):
        users.delete_user(self.writers[who].owner_id)
        self.writers[who] = new_writer()

    @rule()
    def collect(self):
        collect_everything()
        assert_consistent()

    def teardown(self):
        """Whatever was done before, one collection is enough."""
        self.collect()


@pytest.mark.servers
def test_any_order_of_interrupted_writes(app_of_writes, monkeypatch):
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
    """Return a user with room for all that a test stores."""
    user = UserFactory()
    files.set_quota(user.id, 10**9)
    return Writer(user.id)
