"""Who looks into the outbox, and how work reaches its workers."""

import time
from datetime import timedelta
from uuid import uuid4

import pytest

from project.core.clock import now
from project.core.data.tasks import leases, task
from project.core.data.tasks.doorbell import Pipe
from project.core.work import dispatcher
from project.core.work.crew import Crew
from project.core.work.dispatcher import POLL_EVERY, SOON, ToEngine, ToWorkers, dispatch
from project.core.work.engine import EngineDown
from project.core.work.seat import Seat

from ..outbox import put, put_at, rows
from .waiting import until

pytestmark = pytest.mark.usefixtures('no_tasks')


@pytest.fixture
def nothing():
    """A task."""
    return task(name='nothing')(lambda: None)


class FakeEngine:
    """An engine that takes so many tasks before its broker is away."""

    def __init__(self, takes=10**6):
        self.takes = takes
        self.sent = []

    def send(self, task_id):
        if len(self.sent) >= self.takes:
            raise EngineDown('ConnectionClosed')
        self.sent.append(task_id)


class TestToWorkers:
    def test_rings_at_all_of_them_when_there_is_something_to_do(self, nothing):
        bells = [Heard(), Heard()]
        hand = ToWorkers(bells)

        assert hand() == POLL_EVERY
        assert [bell.rung for bell in bells] == [0, 0]

        put(nothing)
        assert hand() == POLL_EVERY
        assert [bell.rung for bell in bells] == [1, 1]


class Heard:
    """A bell that counts."""

    rung = 0

    def ring(self):
        self.rung += 1


class TestToEngine:
    def test_looks_again_in_a_second_where_nothing_is_due(self, nothing):
        put_at(now() + timedelta(minutes=1), nothing)
        engine = FakeEngine()

        assert ToEngine(engine)() == POLL_EVERY
        assert engine.sent == []

    def test_sends_what_is_due_and_looks_again_soon(self, nothing):
        ids = {put(nothing) for _ in range(3)}
        engine = FakeEngine()

        assert ToEngine(engine)() == SOON
        assert set(engine.sent) == ids
        assert {row.state for row in rows()} == {'sent'}

    def test_sends_nothing_twice_while_the_engine_has_it(self, nothing):
        put(nothing)
        engine = FakeEngine()

        ToEngine(engine)()
        ToEngine(engine)()

        assert len(engine.sent) == 1

    def test_sends_so_many_at_once_and_no_more_than_it_may_have(self, nothing, monkeypatch):
        monkeypatch.setattr(dispatcher, 'BATCH', 2)
        monkeypatch.setattr(dispatcher, 'IN_FLIGHT', 3)
        for _ in range(5):
            put(nothing)
        engine = FakeEngine()
        hand = ToEngine(engine)

        sent = []
        for _ in range(3):
            assert hand() == SOON
            sent.append(len(engine.sent))

        assert sent == [2, 3, 3]
        leases.claim(engine.sent[0], uuid4())
        hand()
        assert len(engine.sent) == 4

    @pytest.mark.parametrize('takes', [0, 2])
    def test_keeps_what_a_broker_that_is_down_does_not_take(self, nothing, caplog, takes):
        for _ in range(5):
            put(nothing)
        engine = FakeEngine(takes)
        hand = ToEngine(engine)

        assert hand() == POLL_EVERY

        assert sorted(row.state for row in rows()) == ['sent'] * takes + ['waiting'] * (5 - takes)
        assert {row.id for row in rows() if row.state == 'sent'} == set(engine.sent)
        assert 'the broker does not take tasks: ConnectionClosed' in caplog.text
        engine.takes = 10
        hand()
        assert len(set(engine.sent)) == 5


class TestDispatch:
    def test_rings_and_fires_in_a_process_of_its_own(self, own_app, nothing):
        task(name='tick', every=timedelta(seconds=1))(lambda: None)
        bell = Pipe()
        put(nothing)

        Crew(own_app, [Seat('dispatcher', dispatch([bell]))]).run(
            until(lambda: 'tick' in {row.name for row in rows()})
        )

        began = time.monotonic()
        bell.wait(20)
        assert time.monotonic() - began < 10

    def test_hands_out_to_the_engine_of_a_broker(self, own_app, nothing, monkeypatch):
        monkeypatch.setattr(dispatcher, 'Engine', lambda _url: FakeEngine())
        put(nothing)

        Crew(own_app, [Seat('dispatcher', dispatch([], 'redis://127.0.0.1:1'))]).run(
            until(lambda: rows()[0].state == 'sent')
        )
