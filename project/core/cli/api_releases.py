"""`flask api diff` and `flask api release`: the API compared with its releases."""

import click

from project.core.documents import files
from project.core.documents.api_changes.accepted_changes import SUFFIX
from project.core.documents.api_changes.releases import ReleaseInvalid
from project.core.documents.api_changes.report import ApiReport, entry_for
from project.core.documents.pages import PageInvalid
from project.core.documents.release_files import current_report, make_release
from project.core.web.responses.jsend import to_json

from .api_documents import api_cli
from .toolkit import as_json


@api_cli.command('diff')
@click.option('--base', metavar='VERSION', help='The release; by default the newest one.')
@as_json
def api_diff(base: str | None, as_json: bool) -> None:
    """Print the changes of the API since a release; exit with 1 if it breaks clients.

    A breaking change is accepted if the endpoint was deprecated in the release and its sunset date
    has passed, or if docs/features/FEATURE.breaking.toml has a reason.
    """
    try:
        report = current_report(base)
    except ReleaseInvalid as fault:
        raise click.ClickException(str(fault)) from fault
    if as_json:
        rows = {'base': report.base, 'changes': [judged.as_row() for judged in report.changes]}
        click.echo(to_json({**rows, 'unused': report.unused}).decode())
    else:
        _print_report(report)
    # Entries belong to the changes since the newest release only.
    if report.rejected:
        raise click.ClickException(_remedy(report))
    if report.unused and base is None:
        raise click.ClickException(report.faults()[0])


@api_cli.command('release')
@click.argument('version')
def api_release(version: str) -> None:
    """Store the documents of a release in docs/releases/VERSION.

    These are the OpenAPI document, the database schema and the newest migrations. VERSION must be
    newer than all releases. It must be the version in pyproject.toml, and CHANGELOG.md must have a
    section with its date.
    """
    try:
        paths = make_release(version)
    except (PageInvalid, ReleaseInvalid) as fault:
        raise click.ClickException(str(fault)) from fault
    for path in paths:
        click.echo(f'Wrote {path.relative_to(files.ROOT)}.')


def _print_report(report: ApiReport) -> None:
    if report.base is None:
        click.echo('There is no release in docs/releases yet.')
        return
    for judged in report.changes:
        click.echo(str(judged))
    count = len(report.changes)
    breaking = sum(judged.change.is_breaking for judged in report.changes)
    click.echo(f'{count} change(s) since {report.base}, {breaking} of them breaking.')


def _remedy(report: ApiReport) -> str:
    change = report.rejected[0].change
    return (
        f'{len(report.rejected)} breaking change(s) not accepted: keep the old behavior and mark '
        f'the endpoint as deprecated, or add a line with a reason to '
        f'docs/features/{change.feature}{SUFFIX}: {entry_for(change)}'
    )
