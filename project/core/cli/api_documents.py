"""`flask api`: documents of the features that are generated from the code."""

import click

from project.core.documents import files
from project.core.documents.api_changes.releases import ReleaseInvalid
from project.core.documents.pages import PageInvalid
from project.core.documents.release_files import current_report
from project.core.documents.routes import matrix

from .toolkit import FeatureGroup

api_cli = FeatureGroup('api', help='Document the API, and compare it with releases.')


@api_cli.command('write')
def api_write() -> None:
    """Write the page and the OpenAPI document of each feature, and openapi.json, if changed.

    The files of the features are in docs/features. openapi.json contains all features; git ignores
    it.
    """
    joined = {files.ROOT / 'openapi.json': files.joined_openapi()}
    files.features_folder().mkdir(parents=True, exist_ok=True)
    try:
        for path, text in (files.generated_files() | joined).items():
            if not path.exists() or path.read_text(encoding='utf-8') != text:
                path.write_text(text, encoding='utf-8')
                click.echo(f'Wrote {path.relative_to(files.ROOT)}.')
    except PageInvalid as fault:
        raise click.ClickException(str(fault)) from fault


@api_cli.command('check')
def api_check() -> None:
    """Print each outdated document and each breaking change; exit with 1 if there are any.

    Documents are compared with the code, and the API with the newest release (`flask api diff`).
    """
    try:
        faults = [*files.find_faults(), *current_report().faults()]
    except (PageInvalid, ReleaseInvalid) as fault:
        faults = [str(fault)]
    for line in faults:
        click.echo(line)
    if faults:
        raise click.ClickException(f'faults in the documents or the API: {len(faults)}')
    click.echo('Documents: ok')


@api_cli.command('matrix')
def api_matrix() -> None:
    """Print the routes of all features, the callers that they accept, and their limits."""
    click.echo(matrix(files.all_owners()), nl=False)
