"""The service with a feature that is there to be interrupted. Runs in processes of its own only.

Nothing may import it beside them: its tables are no feature's.
"""

import os
import re
import signal
import threading
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
from project.auth.models import Credential
from project.core.clock import now
from project.core.database.session import Base, atomic, db
from project.core.database.types import UTCDateTime
from project.core.errors import Conflict
from project.core.mail import send_mail
from project.core.security.password_hashing import hash_password
from project.core.semaphore import InterprocessSemaphore
from project.core.tasks import TaskSlot, complete_with_transaction, enqueue, task
from project.core.web.endpoints.access import public
from project.core.web.endpoints.endpoint import endpoint
from project.files import service as files_service
from project.users import service as users_service
from tests.reliability.workload_numbers import ARCHIVES, TICK

BATCH = 200
THINKING = 26  # seconds: longer than a lease

reliability = Blueprint('reliability', __name__, cli_group='workload')


class Run(Base):
    """An attempt that began."""

    __tablename__ = 'reliability_runs'

    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int]
    began: Mapped[datetime] = mapped_column(UTCDateTime, default=now)


class Effect(Base):
    """What a task did, and must not do twice. No constraint helps it."""

    __tablename__ = 'reliability_effects'

    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(index=True)


@task(attempts=100, backoff=timedelta(milliseconds=200), time_limit=timedelta(seconds=10))
def leave_mark(number: int, milliseconds: int) -> None:
    """Take a while, then have an effect. Run twice it has it once: both are one transaction."""
    with atomic():
        db.session.add(Run(number=number))
    time.sleep(milliseconds / 1000)
    with atomic():
        complete_with_transaction()
        db.session.add(Effect(number=number))


@task()
def do_nothing() -> None:
    """Do nothing, which may be done twice."""


@task()
def record_start(number: int) -> None:
    """Write down when it began. Run twice, it is written down again."""
    with atomic():
        db.session.add(Run(number=number))


@task(attempts=4, backoff=timedelta(milliseconds=200))
def kill_process() -> None:
    """Kill the process that runs it; whoever runs it twice dies twice."""
    os.kill(os.getpid(), signal.SIGKILL)


@task(attempts=2, backoff=timedelta(milliseconds=200), time_limit=timedelta(seconds=1))
def hang() -> None:
    """Never return, however often it is run again."""
    while True:
        time.sleep(60)


@task(attempts=1, time_limit=timedelta(seconds=THINKING))
def think(number: int) -> None:
    """Keep the interpreter to itself, longer than a lease; run twice, it thinks twice."""
    with atomic():
        db.session.add(Run(number=number))
    # Nested repetition: it would take the age of the universe, and lets no other thread run.
    re.match(r'(a+)+$', 'a' * 60 + 'b')


printer = InterprocessSemaphore()


@task(slot=TaskSlot('printer', partial(printer.has_free_slot, 1)), owner_argument='owner')
def print_page(owner: int, milliseconds: int) -> None:
    """Take a while, one at a time; as a thumbnail does. Idempotent: it is recorded again."""
    with printer.acquire(1, timeout=0):
        with atomic():
            db.session.add(Run(number=owner))
        time.sleep(milliseconds / 1000)


@task(queue='slow', owner_argument='owner')
def archive(owner: int, milliseconds: int) -> None:
    """Take a while, as an export does. Idempotent: it is recorded again."""
    with atomic():
        db.session.add(Run(number=ARCHIVES + owner))
    time.sleep(milliseconds / 1000)


def tick() -> None:
    """Record that schedules run. Idempotent: it is recorded again."""
    with atomic():
        db.session.add(Run(number=TICK))


# A service that has nothing to do is measured as well.
if os.environ.get('RELIABILITY_TICKS'):
    task(every=timedelta(seconds=1))(tick)


class MailRequest(Schema):
    """Which mail, and whether its request is to fail."""

    number = fields.Int(required=True)
    fail = fields.Bool(load_default=False)


class MailSchema(Schema):
    """Who answered."""

    pid = fields.Int()


class Rejected(Conflict):
    """As was asked for, after all was written."""


@reliability.post('/mails')
@endpoint(allow=public, body=MailRequest, returns=MailSchema, errors=[Rejected])
def mail_create(body: dict[str, Any]) -> dict[str, int]:
    """Send a mail, or refuse to in the last moment."""
    with atomic():
        to = f'number-{body["number"]}@example.com'
        send_mail('already_registered', to=to, username='ada', name='')
        if body['fail']:
            raise Rejected
    return {'pid': os.getpid()}


class UsersRequest(Schema):
    """The names of users, and the password that all of them have."""

    names = fields.List(fields.Str(), required=True)
    password = fields.Str(required=True)


class TasksRequest(Schema):
    """How many tasks of one name to enqueue, and how long each takes."""

    name = fields.Str(required=True)
    count = fields.Int(required=True)
    milliseconds = fields.Int(required=True)
    owner = fields.Int(load_default=0)


@reliability.post('/users')
@endpoint(allow=public, body=UsersRequest)
def users_create(body: dict[str, Any]) -> None:
    """Create users who can log in, all with one password."""
    password_hash = hash_password(body['password'])
    with atomic():
        for name in body['names']:
            user = users_service.create_user(username=name, email=f'{name}@example.com')
            db.session.add(Credential(user_id=user.id, password_hash=password_hash))


@reliability.post('/tasks')
@endpoint(allow=public, body=TasksRequest)
def tasks_create(body: dict[str, Any]) -> None:
    """Enqueue tasks, in transactions of 200."""
    for start in range(0, body['count'], BATCH):
        with atomic():
            for number in range(start, min(start + BATCH, body['count'])):
                _enqueue(body['name'], number, body['milliseconds'], body['owner'])


@reliability.cli.command('prepare')
def prepare() -> None:
    """Make the tables."""
    db.create_all()


@reliability.cli.command('sweep')
def collect() -> None:
    """Sweep files until it is told to end; print how often bytes were removed."""
    ends = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ends.set())
    removed = 0
    while not ends.is_set():
        removed += sum(swept.kind == 'bytes' for swept in files_service.collect_garbage())
    click.echo(removed)


@reliability.cli.command('trickle')
@click.argument('count', type=int)
@click.option('--pause', default=0.15)
def trickle(count: int, pause: float) -> None:
    """Enqueue one task after another, each into an idle queue, and print when that was."""
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
    """Return the service, with that feature."""
    app = project.create_app()
    app.register_blueprint(reliability)
    core.validate_routes(app)
    if 'DISK_ORDERS' in os.environ:
        # Orders count calls: those of the health checks in the background would be counted, too.
        app.extensions['readiness'].stopped.set()
    return app
