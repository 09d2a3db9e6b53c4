"""`flask jobs`: manage the tasks in the outbox, and run task workers."""

from typing import Any
from uuid import UUID

import click
from flask import current_app

from project.core.images import protect_process
from project.core.metrics import start_metrics
from project.core.task_workers import run_until_signal
from project.core.tasks import inspection

from .toolkit import FeatureGroup, as_json, dry_run, limit_option, print_rows, with_progress

jobs_cli = FeatureGroup('jobs', help='Manage tasks, and run task workers.')

COLUMNS = ('id', 'name', 'queue', 'state', 'attempts', 'due', 'created_at', 'error')
DETAILS = (*COLUMNS[:-1], 'started_at', 'request_id', 'arguments', 'error')
STATS = ('name', *inspection.STATES, 'delay')


@jobs_cli.command('list')
@click.option('--state', type=click.Choice(inspection.STATES))
@click.option('--name', help='Only tasks of this name, such as core.deliver_mail.')
@limit_option
@as_json
def jobs_list(state: str | None, name: str | None, limit: int, as_json: bool) -> None:
    """List unfinished tasks, including dead letters, oldest first."""
    print_rows(inspection.list_tasks(state=state, name=name, limit=limit), COLUMNS, as_json=as_json)


@jobs_cli.command('show')
@click.argument('task_id', metavar='ID', type=click.UUID)
@as_json
def jobs_show(task_id: UUID, as_json: bool) -> None:
    """Show a task with its arguments. Secrets are masked."""
    print_rows([inspection.get_task(task_id)], DETAILS, as_json=as_json, one=True)


@jobs_cli.command('retry')
@click.argument('task_ids', metavar='[ID]...', type=click.UUID, nargs=-1)
@click.option('--dead', is_flag=True, help='Retry all dead letters.')
@click.option('--name', help='With --dead: only tasks of this name.')
def jobs_retry(task_ids: tuple[UUID, ...], dead: bool, name: str | None) -> None:
    """Retry tasks now, and reset their number of attempts."""
    _require_ids_or_dead(task_ids, dead, name)
    for task_id in with_progress('Retrying', task_ids):
        inspection.retry_task(task_id)
    count = inspection.retry_dead_tasks(name) if dead else len(task_ids)
    click.echo(f'{count} task(s) will be tried again.')


@jobs_cli.command('discard')
@click.argument('task_ids', metavar='[ID]...', type=click.UUID, nargs=-1)
@click.option('--dead', is_flag=True, help='Delete all dead letters.')
@click.option('--name', help='With --dead: only tasks of this name.')
@dry_run
def jobs_discard(task_ids: tuple[UUID, ...], dead: bool, name: str | None, dry_run: bool) -> None:
    """Delete tasks without running them."""
    _require_ids_or_dead(task_ids, dead, name)
    if dry_run:
        count = sum(1 for _ in inspection.list_tasks(state='dead', name=name)) if dead else 0
        count += len([inspection.get_task(task_id) for task_id in task_ids])
        click.echo(f'Would discard {count} task(s).')
        return
    for task_id in with_progress('Discarding', task_ids):
        inspection.delete_task(task_id)
    count = inspection.delete_dead_tasks(name) if dead else len(task_ids)
    click.echo(f'Discarded {count} task(s).')


@jobs_cli.command('work')
@click.option('--concurrency', type=click.IntRange(1, 64), help='Number of concurrent tasks.')
def jobs_work(concurrency: int | None) -> None:
    """Run task workers until SIGTERM.

    With a broker, they run the tasks that it delivers; without one, the due tasks of the outbox.
    """
    protect_process()
    app: Any = current_app
    start_metrics(app)
    run_until_signal(app._get_current_object(), concurrency)


@jobs_cli.command('stats')
@as_json
def jobs_stats(as_json: bool) -> None:
    """Count tasks by name and state.

    `delay`: seconds since the oldest waiting task was due.
    """
    rows = (row._asdict() for row in inspection.task_stats())
    named = ({**row, 'delay': inspection.seconds_overdue(row['oldest'])} for row in rows)
    print_rows(named, STATS, as_json=as_json)


def _require_ids_or_dead(task_ids: tuple[UUID, ...], dead: bool, name: str | None) -> None:
    if dead == bool(task_ids):
        raise click.UsageError('Give either the ids of tasks, or --dead.')
    if name and not dead:
        raise click.UsageError('--name needs --dead.')
