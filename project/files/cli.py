"""Commands of `flask files`, for operators."""

from collections import Counter
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import click
from flask import current_app

from project.core.cli.toolkit import (
    FeatureGroup,
    Size,
    as_json,
    dry_run,
    limit_option,
    print_rows,
    with_progress,
)
from project.core.database.keyset_pagination import PageRequest
from project.users import service as users

from . import service

files_cli = FeatureGroup('files', help='Manage files.')

COLUMNS = ('id', 'name', 'size', 'type', 'tags', 'created_at', 'trashed_at')


@files_cli.command('list')
@click.argument('user')
@click.option('--trashed', is_flag=True, help='List the files in the trash instead.')
@limit_option
@as_json
def files_list(user: str, trashed: bool, limit: int, as_json: bool) -> None:
    """List the files of a user, newest first."""
    owner_id = users.get_user_by_login(user).id
    page = service.list_files(owner_id, PageRequest(limit=limit, filters={'trashed': trashed}))
    print_rows((row._asdict() for row in page.items), COLUMNS, as_json=as_json)


@files_cli.command('stats')
@click.option('--storage', 'by_storage', is_flag=True, help='Count stored objects by kind instead.')
@as_json
def files_stats(by_storage: bool, as_json: bool) -> None:
    """Count files and bytes by type, or stored objects by kind.

    With --storage, `examined` and `collected` are the objects that the last garbage collection
    examined and deleted.
    """
    if by_storage:
        print_rows(service.storage_stats(), ('kind', 'objects', 'bytes', 'at'), as_json=as_json)
    else:
        print_rows(service.file_stats(), ('type', 'files', 'bytes'), as_json=as_json)


@files_cli.command('quota')
@click.argument('user')
@click.argument('size', type=Size(), required=False)
@click.option('--default', 'is_default', is_flag=True, help='Use the default quota, FILES_QUOTA.')
@as_json
def files_quota(user: str, size: int | None, is_default: bool, as_json: bool) -> None:
    """Set the quota of a user, such as 5GB, and show it. Without SIZE, only show it."""
    if size is not None and is_default:
        raise click.UsageError('Give either SIZE or --default.')
    owner_id = users.get_user_by_login(user).id
    if size is not None or is_default:
        service.set_quota(owner_id, size)
    print_rows([service.get_usage(owner_id)], ('used', 'reserved', 'quota', 'files'),
         as_json=as_json, one=True)  # fmt: skip


@files_cli.command('publish')
@click.argument('path', type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option('--name', help='Name to publish under; missing folders are created.')
def files_publish(path: Path, name: str | None) -> None:
    """Publish a file without login at /api/v1/files/public/NAME."""
    service.publish_file(path, name or path.name)
    click.echo(f'Published {name or path.name}.')


@files_cli.command('unpublish')
@click.argument('name')
@dry_run
def files_unpublish(name: str, dry_run: bool) -> None:
    """Delete a file from the published folder."""
    service.unpublish_file(name, dry_run=dry_run)
    click.echo(f'{"Would unpublish" if dry_run else "Unpublished"} {name}.')


@files_cli.command('unlock-link')
@click.argument('link_id', type=click.UUID)
def files_unlock_link(link_id: UUID) -> None:
    """Reset the counter of wrong passwords of a share link."""
    was_counted = service.unlock_link(link_id)
    click.echo('Reset link.' if was_counted else 'No attempts were counted.')


@files_cli.command('fsck')
@click.option('--repair', is_flag=True, help='Repair the faults that can be repaired.')
@as_json
@click.pass_context
def files_fsck(ctx: click.Context, repair: bool, as_json: bool) -> None:
    """Check that rows, bytes and quotas agree. Exit code 1 if a fault is not repaired."""
    faults = [
        fault
        for fault in with_progress('Checking', service.check_integrity(repair=repair))
        if fault
    ]
    rows = [
        {'kind': fault.kind, 'name': fault.name, 'repaired': fault.is_repaired} for fault in faults
    ]
    print_rows(rows, ('kind', 'name', 'repaired'), as_json=as_json)
    if any(fault.is_repaired is False for fault in faults):
        ctx.exit(1)


@files_cli.command('move')
@click.option('--to', required=True, help='URL of the target storage, in the form of STORAGE_URL.')
@as_json
@click.pass_context
def files_move(ctx: click.Context, to: str, as_json: bool) -> None:
    """Copy all objects to another storage, and read each copy back to verify it.

    The service keeps running: see "Moving" in docs/operations.md. A further run copies the
    remaining objects. Exit code 1 if a copy failed.
    """
    found = Counter(moved.outcome for moved in with_progress('Moving', service.move_storage(to)))
    row = {outcome: found[outcome] for outcome in ('moved', 'there', 'failed')}
    print_rows([row], tuple(row), as_json=as_json, one=True)
    if row['failed']:
        ctx.exit(1)


@files_cli.command('pause-collection')
@click.argument('minutes', type=click.IntRange(0, 24 * 60))
def files_pause_collection(minutes: int) -> None:
    """Pause the garbage collection for MINUTES, while a backup copies the bytes.

    The command returns when no bytes are being deleted. From then on, the bytes of deleted files
    are kept until the pause ends. With 0, the pause ends immediately.
    """
    service.pause_garbage_collection(timedelta(minutes=minutes))
    click.echo(f'Bytes are kept for {minutes} minutes.' if minutes else 'The pause is over.')


@files_cli.command('scan')
@click.option('--again', is_flag=True, help='Scan all versions, including the scanned ones.')
@as_json
@click.pass_context
def files_scan(ctx: click.Context, again: bool, as_json: bool) -> None:
    """Scan all unscanned versions with FILES_SCANNER. Exit code 1 if a scan failed."""
    if not current_app.config['FILES_SCANNER']:
        raise click.UsageError('FILES_SCANNER is not set')
    found = Counter(
        each.state for each in with_progress('Scanning', service.scan_files(again=again))
    )
    row = {state: found[state] for state in ('clean', 'infected', 'unscannable')}
    row['failed'] = found[None]
    print_rows([row], tuple(row), as_json=as_json, one=True)
    if row['failed']:
        ctx.exit(1)


@files_cli.command('sweep')
@click.option(
    '--budget',
    type=click.FloatRange(0),
    metavar='SECONDS',
    default=float('inf'),
    show_default='none',
    help='Stop after this time; the next run continues.',
)
@dry_run
@as_json
def files_sweep(budget: float, dry_run: bool, as_json: bool) -> None:
    """Delete expired trash and links, and all bytes to which no row refers.

    Unknown names in the storage are written to stderr and not deleted.
    """
    if paused_until := service.garbage_collection_pause_end():
        raise click.ClickException(
            f'Paused until {paused_until:%H:%M} UTC by `flask files pause-collection`'
        )
    removed: Counter[str] = Counter()
    garbage = service.collect_garbage(budget=budget, dry_run=dry_run)
    for item in with_progress('Sweeping', garbage):
        removed[item.kind] += 1
        if item.kind == 'unknown':
            click.echo(f'Unknown name, not deleted: {item.name}', err=True)
    row = {kind: removed[kind] for kind in ('trash', 'links', 'bytes', 'incoming', 'unknown')}
    print_rows([row], tuple(row), as_json=as_json, one=True)
