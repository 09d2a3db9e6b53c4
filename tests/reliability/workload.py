"""The service with an additional feature, whose tasks and routes are used to test interruptions.

It runs in separate processes only. Tests must not import this module: the import would add its
tables to those of the service under test.
"""

import os
import re
import signal
import time
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import click
from flask import Blueprint, Flask
from marshmallow import Schema, fields
from sqlalchemy.orm import Mapped, mapped_column

import project
from project import core
from project.core.clock import now
from project.core.database.session import Base, atomic, db
from project.core.database.types import UTCDateTime
from project.core.errors import Conflict
from project.core.mail import send_mail
from project.core.semaphore import InterprocessSemaphore
from project.core.tasks import TaskSlot, complete_with_transaction, enqueue
from project.core.web.endpoints.access import public
from project.core.web.endpoints.endpoint import endpoint
from tests.feature_modules import feature_modules
from tests.reliability.workload_numbers import ARCHIVES, TICK
from tests.tasks import task

BATCH = 200
THINK_SECONDS = 26  # in seconds, longer than a lease

reliability = Blueprint('reliability', __name__, cli_group='workload')


class Run(Base):
    """A row for each started attempt of a task."""

    __tablename__ = 'reliability_runs'

    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int]
    began: Mapped[datetime] = mapped_column(UTCDateTime, default=now)


class Effect(Base):
    """A row for the effect of a task.

    Each task must have one effect. No constraint prevents a second row, so tests can detect it.
    """

    __tablename__ = 'reliability_effects'

    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(index=True)


@task(attempts=100, backoff=timedelta(milliseconds=200), time_limit=timedelta(seconds=10))
def leave_mark(number: int, milliseconds: int) -> None:
    """Sleep, then insert a row that proves the run.

    A second run inserts no second row: the row and the end of the task are one transaction.
    """
    with atomic():
        db.session.add(Run(number=number))
    time.sleep(milliseconds / 1000)
    with atomic():
        complete_with_transaction()
        db.session.add(Effect(number=number))


@task()
def do_nothing() -> None:
    """Do nothing. Idempotent."""


@task()
def record_start(number: int) -> None:
    """Record the start in a row. Idempotent: a second run records another start."""
    with atomic():
        db.session.add(Run(number=number))


@task(attempts=4, backoff=timedelta(milliseconds=200))
def kill_process() -> None:
    """Kill the process of the task worker. A second run kills its process again."""
    os.kill(os.getpid(), signal.SIGKILL)


@task(attempts=2, backoff=timedelta(milliseconds=200), time_limit=timedelta(seconds=1))
def hang() -> None:
    """Never return. A second run does not return either."""
    while True:
        time.sleep(60)


@task(attempts=1, time_limit=timedelta(seconds=THINK_SECONDS))
def think(number: int) -> None:
    """Keep the CPU busy for longer than a lease. A second run does the same."""
    with atomic():
        db.session.add(Run(number=number))
    # This regular expression takes practically forever, and Python holds its global lock (GIL) for
    # that time.
    re.match(r'(a+)+$', 'a' * 60 + 'b')


printer = InterprocessSemaphore()


@task(slot=TaskSlot('printer', partial(printer.has_free_slot, 1)), owner_argument='owner')
def print_page(owner: int, milliseconds: int) -> None:
    """Sleep while holding a slot, as a thumbnail task does.

    Idempotent: a second run is recorded again.
    """
    with printer.acquire(1, timeout=0):
        with atomic():
            db.session.add(Run(number=owner))
        time.sleep(milliseconds / 1000)


@task(queue='slow', owner_argument='owner')
def archive(owner: int, milliseconds: int) -> None:
    """Sleep in the queue `slow`, as an export does.

    Idempotent: a second run is recorded again.
    """
    with atomic():
        db.session.add(Run(number=ARCHIVES + owner))
    time.sleep(milliseconds / 1000)


def tick() -> None:
    """Record a run of the periodic task. Idempotent: a second run is recorded again."""
    with atomic():
        db.session.add(Run(number=TICK))


# Only some tests need the periodic task; others measure an idle service.
if os.environ.get('RELIABILITY_TICKS'):
    task(every=timedelta(seconds=1))(tick)


class MailRequest(Schema):
    """The number of a mail, and whether the request must fail."""

    number = fields.Int(required=True)
    fail = fields.Bool(load_default=False)


class MailSchema(Schema):
    """The id of the process that handled the request."""

    pid = fields.Int()


class Rejected(Conflict):
    """A failure that the request asks for, after all rows were written."""


@reliability.post('/mails')
@endpoint(allow=public, body=MailRequest, returns=MailSchema, errors=[Rejected])
def mail_create(body: dict[str, Any]) -> dict[str, int]:
    """Send a mail in a transaction, which can fail at its end."""
    with atomic():
        to = f'number-{body["number"]}@example.com'
        send_mail('export_ready', to=to, about=None, username='ada')
        if body['fail']:
            raise Rejected
    return {'pid': os.getpid()}


class TasksRequest(Schema):
    """The name, number and duration of the tasks to enqueue."""

    name = fields.Str(required=True)
    count = fields.Int(required=True)
    milliseconds = fields.Int(required=True)
    owner = fields.Int(load_default=0)


@reliability.post('/tasks')
@endpoint(allow=public, body=TasksRequest)
def tasks_create(body: dict[str, Any]) -> None:
    """Enqueue many tasks, 200 in each transaction."""
    for start in range(0, body['count'], BATCH):
        with atomic():
            for number in range(start, min(start + BATCH, body['count'])):
                _enqueue(body['name'], number, body['milliseconds'], body['owner'])


@reliability.cli.command('prepare')
def prepare() -> None:
    """Create the tables, including those of this module."""
    db.create_all()


@reliability.cli.command('trickle')
@click.argument('count', type=int)
@click.option('--pause', default=0.15)
def trickle(count: int, pause: float) -> None:
    """Enqueue tasks one by one, with a pause after each; print the time of each."""
    for number in range(count):
        with atomic():
            enqueue(record_start, number)
        click.echo(f'{number} {now().timestamp()}')
        time.sleep(pause)


def _enqueue(name: str, number: int, milliseconds: int, owner: int) -> None:
    if name == 'leave_mark':
        enqueue(leave_mark, number, milliseconds)
    elif name in ('print_page', 'archive'):
        enqueue({'print_page': print_page, 'archive': archive}[name], owner, milliseconds)
    elif name == 'think':
        enqueue(think, -1)
    else:
        enqueue({'do_nothing': do_nothing, 'kill_process': kill_process, 'hang': hang}[name])


def create_app() -> Flask:
    """Return the service with the routes, tasks and commands of this module."""
    app = project.create_app()
    for module in feature_modules('workload'):
        module.extend(reliability)
    app.register_blueprint(reliability)
    core.validate_routes(app)
    if 'DISK_FAULTS' in os.environ:
        # Fault injection counts system calls, so background health checks would disturb it.
        app.extensions['readiness'].stopped.set()
    return app
