"""`flask secrets`: show the data that depends on SECRET_KEY, and rotate the key."""

from collections import Counter
from typing import Any

import click
from flask import current_app

from project.core.clock import now
from project.core.security.key_usage import (
    CHANGED,
    CURRENT,
    NEWEST_KEY,
    ROTATED,
    UNKNOWN,
    EncryptedValues,
    ExpiringValues,
    encrypted_values,
    expiring_values,
    longest_lifetime,
)
from project.core.web.responses.jsend import to_json

from .toolkit import FeatureGroup, as_json, dry_run, print_rows, with_progress

secrets_cli = FeatureGroup('secrets', help='Rotate SECRET_KEY.')


@secrets_cli.command('rotate')
@dry_run
def secrets_rotate(dry_run: bool) -> None:
    """Encrypt all stored values under the newest SECRET_KEY.

    Run this after all processes have the new key. It can be interrupted and run again. Exits with 1
    if values are encrypted under an unknown key.
    """
    unknown = []
    for values in encrypted_values():
        count = Counter(with_progress(values.name, values.rotate(dry_run=dry_run)))
        verb = 'would be encrypted' if dry_run else 'encrypted'
        click.echo(
            f'{values.name}: {count[ROTATED]} {verb} again, {count[CURRENT]} under the newest key,'
            f' {count[UNKNOWN]} under an unknown key.'
        )
        if count[CHANGED]:
            click.echo(f'{count[CHANGED]} changed in the meantime: run it again.', err=True)
        if count[UNKNOWN]:
            unknown.append(f'{values.name} ({count[UNKNOWN]})')
    if unknown:
        raise click.ClickException(
            f'Values have an unknown key: {", ".join(unknown)}. Add that key to'
            ' SECRET_KEY_FALLBACKS and run it again.'
        )


@secrets_cli.command('status')
@as_json
def secrets_status(as_json: bool) -> None:
    """Count stored values by encryption key, and show when the fallback keys can be removed."""
    report = _report()
    if as_json:
        click.echo(to_json(report).decode())
    else:
        _print_report(report)


def _report() -> dict[str, Any]:
    fallbacks = len(current_app.config['SECRET_KEY_FALLBACKS'])
    stored = [_stored_row(values, fallbacks) for values in encrypted_values()]
    is_needed = any(sum(row['fallbacks']) for row in stored)
    return {
        'stored': stored,
        'expiring': [_expiring_row(values) for values in expiring_values()],
        'fallbacks': fallbacks,
        # This assumes that all processes have the newest key now.
        'removable_at': now() + longest_lifetime() if fallbacks and not is_needed else None,
    }


def _print_report(report: dict[str, Any]) -> None:
    columns = [f'fallback {number + 1}' for number in range(report['fallbacks'])]
    stored = [
        {**row, **dict(zip(columns, row['fallbacks'], strict=True))} for row in report['stored']
    ]
    print_rows(stored, ('name', 'newest', *columns, 'unknown'), as_json=False)
    click.echo()
    print_rows(report['expiring'], ('name', 'lifetime_seconds', 'effect'), as_json=False)
    click.echo()
    if any(row['unknown'] for row in stored):
        click.echo('Values have an unknown key: add that key to SECRET_KEY_FALLBACKS.')
    if report['removable_at']:
        click.echo(
            f'All fallback keys can be removed at {report["removable_at"]:%Y-%m-%d %H:%M:%S} UTC,'
            ' if all processes have the newest key now.'
        )
    elif report['fallbacks']:
        click.echo('Values need a fallback key: run flask secrets rotate.')
    else:
        click.echo('There is no fallback key.')


def _stored_row(values: EncryptedValues, fallbacks: int) -> dict[str, Any]:
    count = values.count_by_key()
    return {
        'name': values.name,
        'newest': count[NEWEST_KEY],
        'fallbacks': [count[number + 1] for number in range(fallbacks)],
        'unknown': count[None],
    }


def _expiring_row(values: ExpiringValues) -> dict[str, Any]:
    lifetime = values.lifetime
    return {
        'name': values.name,
        'lifetime_seconds': None if lifetime is None else int(lifetime.total_seconds()),
        'effect': values.effect,
    }
