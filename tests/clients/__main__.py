"""The command `python -m tests.clients`: generate all clients and run them against the service.

The command prints a table of the clients and the steps that each completed. The exit code is 1 if a
client fails. It needs Node.js, npm and Java (Debian: default-jre-headless).
"""

import shutil
import sys
import tempfile
from pathlib import Path

from tests.service import Service, running_service

from . import generators
from .scenario import STEPS, run_scenario

# URLs of these features.
requires = ('auth', 'files')


def main() -> int:
    """Run all clients, print the table and the failures; return the exit code."""
    if missing := [name for name in ('node', 'npm', 'java') if not shutil.which(name)]:
        raise SystemExit(f'python -m tests.clients needs {", ".join(missing)}')
    generators.install()
    rows, failures = [], []
    with tempfile.TemporaryDirectory() as folder:
        (var := Path(folder) / 'service').mkdir()
        with running_service(var) as service:
            for name, client in generators.ALL.items():
                (work := Path(folder) / name).mkdir()
                steps, failure = outcome(service, name, client, work)
                done = ['yes' if step in steps else 'NO' for step in STEPS]
                rows.append([client.generator, client.version, *done])
                failures += [failure] if failure else []
            rows.append(java_row(service, Path(folder), failures))
    sys.stdout.write(table(rows))
    sys.stdout.write(''.join(f'\n{failure}\n' for failure in failures))
    return 1 if failures else 0


def outcome(
    service: Service, name: str, client: generators.Client, work: Path
) -> tuple[list[str], str]:
    """Generate and run a client; return its steps, and the failure or an empty text."""
    try:
        program = client.prepare(service, work)
        steps = run_scenario(service, name, program.command, **program.env)
    except AssertionError as failure:
        return [], f'{client.generator}: {failure}'
    return steps, ''


def java_row(service: Service, folder: Path, failures: list[str]) -> list[str]:
    """Generate the Java client; return its row."""
    try:
        document = generators.save_document(service, folder)
        generators.run_openapi_generator(folder, 'java', document)
    except AssertionError as failure:
        failures.append(f'openapi-generator, java: {failure}')
        result = 'NOT GENERATED'
    else:
        # Its libraries come from Maven Central only, so the client cannot be compiled offline.
        result = 'generated only'
    version = generators.pinned('openapi-generator-cli')
    return ['openapi-generator, java', version, result, *[''] * (len(STEPS) - 1)]


def table(rows: list[list[str]]) -> str:
    """Return a table in Markdown, as in docs/api.md."""
    head = ['client', 'version', *STEPS]
    lines = [head, ['---'] * len(head), *rows]
    return ''.join(f'| {" | ".join(line)} |\n' for line in lines)


if __name__ == '__main__':
    sys.exit(main())
