"""The processes that make attempts at tasks."""

import os
import signal
from datetime import timedelta
from threading import Event
from uuid import uuid4

import pytest
from sqlalchemy import select

from project.core.data.database import db, read
from project.core.data.tasks import leases, task
from project.core.data.tasks.leases import LEASE
from project.core.data.tasks.outbox import Entry
from project.core.work import workers
from project.core.work.crew import Crew
from project.core.work.seat import Left, Seat
from project.core.work.workers import Pulse, work, work_for_engine

from ..outbox import later, put, row_of, rows
from .waiting import Line, until

pytestmark = pytest.mark.usefixtures('no_tasks')

SECOND = timedelta(seconds=1)


class TestPulse:
    def test_watches_one_task_at_a_time(self, app):
        seat = Seat('worker', work)
        pulse, task_id = Pulse(app, seat), uuid4()

        pulse.start_watch(task_id, -SECOND)
        assert pulse.running == task_id
        assert seat.is_overdue

        pulse.stop_watch()
        assert pulse.running is None
        assert not seat.is_overdue

    def test_keeps_what_runs(self, app):
        found = put(task(name='nothing')(lambda: None))
        seat = Seat('worker', work)
        leases.claim_next(seat.lease)

        with later(seconds=10) as moment:
            Pulse(app, seat)._renew(found)

        assert row_of(found).due == moment + LEASE

    def test_beats_on_where_the_database_is_away(self, kernel, caplog):
        app = kernel(SQLALCHEMY_DATABASE_URI='postgresql://nobody@127.0.0.1:1/none')
        pulse = Pulse(app, Seat('worker', work))
        before = pulse.renewed

        pulse._renew(uuid4())

        assert 'a lease could not be renewed: OperationalError' in caplog.text
        assert pulse.renewed == before

    def test_beats_beside_the_task_it_keeps(self, own_app, monkeypatch):
        monkeypatch.setattr(leases, 'RENEW_EVERY', timedelta())
        renewed = Line()

        def run():
            def due():
                return read(select(Entry.due).where(Entry.id == found)).scalar_one()

            first = due()
            while due() == first:
                Event().wait(0.02)
            renewed.say()

        found = put(task(name='run')(run))

        Crew(own_app, [Seat('worker', work)]).run(until(lambda: not rows()))

        assert renewed.hear() == b'!'


class TestWork:
    def test_does_all_that_is_due_when_it_is_rung(self, own_app):
        nothing = task(name='nothing')(lambda: None)
        seat = Seat('worker', work)
        asked = []

        def condition():
            asked.append(1)
            if len(asked) == 3:
                put(nothing)
                put(nothing)
                seat.bell.ring()
            return len(asked) > 3 and not rows()

        Crew(own_app, [seat]).run(until(condition))

    def test_counts_an_attempt_at_what_killed_its_process(self, own_app):
        def kill():
            os.kill(os.getpid(), signal.SIGKILL)

        poison = put(task(name='poison', attempts=1)(kill))
        put(task(name='healthy')(lambda: None))

        Crew(own_app, [Seat('worker', work)]).run(until(lambda: len(rows()) == 1))

        row = row_of(poison)
        assert (row.state, row.attempts, row.error) == ('dead', 1, 'its process ended (signal 9)')

    def test_counts_an_attempt_at_what_took_too_long(self, own_app):
        slow = task(name='slow', attempts=1, time_limit=SECOND / 5)(lambda: Event().wait())
        found = put(slow)

        Crew(own_app, [Seat('worker', work)]).run(until(lambda: row_of(found).state == 'dead'))

        assert row_of(found).error == 'it took longer than its time limit, and was ended'

    def test_gives_back_all_that_was_left_on_its_seat(self, own_app):
        nothing = task(name='nothing')(lambda: None)
        seat = Seat('worker', work)
        for lease in (uuid4(), uuid4()):
            put(nothing)
            leases.claim_next(lease)
            seat.left.append(Left(lease, 'it was ended'))

        Crew(own_app, [seat]).run(until(lambda: {row.state for row in rows()} == {'waiting'}))

        assert {row.error for row in rows()} == {'it was ended'}
        # It has said so: who sits here next is told of nobody but this one.
        seat.take_over()
        assert len(seat.left) == 1

    def test_finishes_what_runs_and_begins_nothing_more(self, own_app, tmp_path):
        begun = tmp_path / 'begun'

        def run():
            begun.touch()
            while not (tmp_path / 'may go').exists():
                Event().wait(0.01)

        first = put(task(name='run')(run))
        second = put(task(name='nothing')(lambda: None))
        ended = []

        def goes_on():
            # Asked while the crew lets its processes finish as well.
            if ended:
                (tmp_path / 'may go').touch()
            ended.append(1) if begun.exists() else None
            return not ended

        Crew(own_app, [Seat('worker', work)]).run(goes_on)

        assert [row.id for row in rows()] == [second]
        assert first != second

    def test_goes_on_when_the_database_is_there_again(self, own_app):
        nothing = task(name='nothing')(lambda: None)
        db.drop_all()
        seat, asked = Seat('worker', work), []

        def condition():
            asked.append(1)
            if len(asked) == 5:
                db.create_all()
                put(nothing)
                seat.bell.ring()
            return len(asked) > 5 and not rows()

        Crew(own_app, [seat]).run(until(condition))

        assert seat.left == []


class TestWorkForEngine:
    def test_does_what_is_brought_and_nothing_else(self, own_app, monkeypatch):
        nothing = task(name='nothing')(lambda: None)
        brought, other = put(nothing), put(nothing)
        done = Line()

        class Engine:
            def __init__(self, url):
                assert url == 'fake:'

            def work(self, handle, wait):
                for task_id in (brought, uuid4(), brought):
                    handle(str(task_id))
                done.say()
                wait()

        monkeypatch.setattr(workers, 'Engine', Engine)

        Crew(own_app, [Seat('worker', work_for_engine('fake:'))]).run(
            until(lambda: len(rows()) == 1)
        )

        assert done.hear() == b'!'
        assert [row.id for row in rows()] == [other]

    def test_gives_back_what_was_left_on_its_seat(self, own_app, monkeypatch):
        class Engine:
            def __init__(self, url):
                """Connect to nothing."""

            def work(self, handle, wait):
                wait()

        monkeypatch.setattr(workers, 'Engine', Engine)
        found, lease = put(task(name='nothing')(lambda: None)), uuid4()
        leases.claim_next(lease)
        seat = Seat('worker', work_for_engine('fake:'), left=[Left(lease, 'it was ended')])

        Crew(own_app, [seat]).run(until(lambda: row_of(found).state == 'waiting'))
