"""`flask api client`: typed clients, generated from the OpenAPI document."""

from pathlib import Path

import click

from project.core.documents.clients import GENERATORS, ClientError, generate_client

from .api_documents import api_cli
from .toolkit import printable


@api_cli.command('client')
@click.argument('language', type=click.Choice(sorted(GENERATORS)))
@click.argument('out', type=click.Path(path_type=Path))
def api_client(language: str, out: Path) -> None:
    """Write a typed client of this API into the folder OUT, which must be empty or missing.

    The Python package OUT needs httpx and attrs, the TypeScript one openapi-fetch. `make clients`
    installs the generators. Generate the client again after a change of the API.
    """
    try:
        generate_client(language, out)
    except ClientError as fault:
        raise click.ClickException(printable(str(fault))) from fault
    click.echo(printable(f'Wrote a client to {out}.'))
