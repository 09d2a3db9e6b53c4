"""The generated clients: how each is generated and started, and the pinned versions.

`make clients` installs the generators. CI runs the clients of `IN_CI`, `python -m tests.clients`
all of them.
"""

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import requests

from tests.service import ROOT, Service

# URLs of these features.
requires = ('auth', 'files')

HERE = Path(__file__).parent
TOOLS = ROOT / '.clients'
PYTHON = TOOLS / 'bin' / 'python'
NODE_PROGRAMS = TOOLS / 'node_modules' / '.bin'

# Warnings of openapi-generator that no document avoids: for each one of OpenAPI 3.1, for each one
# with a schema, and for each JSON example.
KNOWN_WARNINGS = (
    'OpenAPI 3.1 support is still in beta',
    'Failed to get the schema name: null',
    'Ignoring complex example on request body',
)


class Program(NamedTuple):
    """The program of a scenario: its command and its environment variables."""

    command: tuple[str | Path, ...]
    env: dict[str, str]


class Client(NamedTuple):
    """A client that runs the scenario.

    :param prepare: generates the client into a folder; returns the program that uses it.
    """

    generator: str
    version: str
    prepare: Callable[[Service, Path], Program]


def install() -> None:
    """Install the pinned generators and npm packages, unless they are installed."""
    run(ROOT, 'make', '--no-print-directory', 'clients')


def pinned(package: str) -> str:
    """Return the version of a Python or npm package that `make clients` installs."""
    packages = json.loads((ROOT / 'requirements' / 'node' / 'package.json').read_text())
    if version := packages['dependencies'].get(package):
        return str(version)
    text = (ROOT / 'requirements' / 'clients.txt').read_text()
    return re.findall(rf'^{re.escape(package)}==(\S+)', text, re.MULTILINE)[0]


def run(folder: Path, *command: str | Path) -> str:
    """Run a command in a folder; return its output.

    :raises AssertionError: if it fails; the message is its output.
    """
    env = {**os.environ, 'NODE_PATH': str(TOOLS / 'node_modules')}
    done = subprocess.run(
        command, cwd=folder, env=env, text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout


def prepare_python(service: Service, folder: Path) -> Program:
    """Generate with `flask api client python`."""
    service.flask('api', 'client', 'python', str(folder / 'client'))
    return Program((PYTHON, HERE / 'openapi_python_client.py'), {'PYTHONPATH': str(folder)})


def prepare_typescript(service: Service, folder: Path) -> Program:
    """Generate with `flask api client typescript`."""
    service.flask('api', 'client', 'typescript', str(folder / 'client'))
    return compiled(folder, 'openapi_fetch.ts')


def prepare_hey_api(service: Service, folder: Path) -> Program:
    """Generate with @hey-api/openapi-ts and its default plugins."""
    document = save_document(service, folder)
    run(folder, NODE_PROGRAMS / 'openapi-ts', '--input', document, '--output', 'hey')
    return compiled(folder, 'hey_api.ts')


def prepare_generator(service: Service, folder: Path) -> Program:
    """Generate the Python client of openapi-generator."""
    document = save_document(service, folder)
    run_openapi_generator(folder, 'python', document)
    return Program((PYTHON, HERE / 'openapi_generator.py'), {'PYTHONPATH': str(folder / 'python')})


def run_openapi_generator(folder: Path, language: str, document: Path) -> None:
    """Generate a client with openapi-generator.

    :raises AssertionError: if the generator prints a warning about the document.
    """
    output = run(
        folder, TOOLS / 'bin' / 'openapi-generator-cli', 'generate', '--generator-name', language,
        '--input-spec', document, '--output', folder / language,
    )  # fmt: skip
    lines = [line for line in output.splitlines() if ' WARN ' in line]
    found = [line for line in lines if not any(known in line for known in KNOWN_WARNINGS)]
    assert not found, '\n'.join(found)


def save_document(service: Service, folder: Path) -> Path:
    """Store the OpenAPI document that the service returns; return its path."""
    path = folder / 'openapi.json'
    path.write_bytes(requests.get(f'{service.url}/api/v1/openapi.json', timeout=20).content)
    return path


def compiled(folder: Path, script: str) -> Program:
    """Check the types of a script and of its client with `tsc --strict`, and bundle it."""
    (folder / 'node_modules').symlink_to(TOOLS / 'node_modules')
    for name in (script, 'scenario.ts', 'tsconfig.json'):
        (folder / name).write_text((HERE / name).read_text())
    run(folder, NODE_PROGRAMS / 'tsc', '--project', '.')
    run(folder, *bundle_command(script, 'built.mjs'), '--platform=node', '--format=esm')
    return Program(('node', folder / 'built.mjs'), {})


def bundle_command(script: str | Path, out: str | Path) -> tuple[str | Path, ...]:
    """Return the command that bundles a script with the packages that it imports."""
    esbuild = NODE_PROGRAMS / 'esbuild'
    return (esbuild, script, '--bundle', f'--outfile={out}', '--log-level=warning')


IN_CI = {
    'python': Client('openapi-python-client', pinned('openapi-python-client'), prepare_python),
    'typescript': Client(
        'openapi-typescript, openapi-fetch',
        f'{pinned("openapi-typescript")}, {pinned("openapi-fetch")}',
        prepare_typescript,
    ),
}
ALL = {
    **IN_CI,
    'hey-api': Client('@hey-api/openapi-ts', pinned('@hey-api/openapi-ts'), prepare_hey_api),
    'generator': Client(
        'openapi-generator, python', pinned('openapi-generator-cli'), prepare_generator
    ),
}
