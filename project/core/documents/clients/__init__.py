"""Generation of API clients from the OpenAPI document, by programs that `make clients` installs.

The programs are not dependencies of the service: they have a virtual environment and a folder of
npm packages of their own, `.clients`. Programs on `PATH` are used if the folder does not exist.
"""

import json
import keyword
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from project.core.documents import files

TEMPLATES = Path(__file__).parent / 'templates'
# Content types that openapi-python-client knows.
KNOWN_TYPES = re.compile(r'application/(json|octet-stream|.+\+json)|multipart/form-data|text/.+')

PACKAGE_NAME = re.compile(r'[a-z_][a-z0-9_]*')

# The last lines of the output of a program that failed, which the error message contains.
SHOWN_LINES = 3


class ClientError(Exception):
    """A client that cannot be generated. The message is one line with the reason and a remedy."""


def generate_client(language: str, out: Path) -> None:
    """Write a client for the API of all features into a folder.

    :param language: a key of `GENERATORS`.
    :param out: a folder that is empty or does not exist; its name is the name of the package.
    :raises ClientError: if the folder has files, if Python cannot import a package of its name, or
        if a program is missing or fails.
    """
    if language == 'python':
        _require_package_name(out.resolve().name)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ClientError(f'{out} exists and is not an empty folder; choose another one')
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        (work / 'openapi.json').write_text(files.joined_openapi(), encoding='utf-8')
        GENERATORS[language](work)
        # A generator that fails must not leave half a client.
        shutil.copytree(work / 'client', out, dirs_exist_ok=True)


def _require_package_name(name: str) -> None:
    """Ensure that `import NAME` finds a folder of this name on every file system.

    :raises ClientError: if it does not.
    """
    if not PACKAGE_NAME.fullmatch(name) or keyword.iskeyword(name):
        raise ClientError(
            f'{name} is not the name of a Python package: choose lower-case letters, digits and'
            ' underscores for the folder, such as acme_api'
        )


def tools_folder() -> Path:
    """Return the folder into which `make clients` installs the generators."""
    return files.ROOT / '.clients'


def _generate_python(work: Path) -> None:
    kinds = _content_types(json.loads((work / 'openapi.json').read_bytes()))
    # The generator would omit routes with other types, such as images.
    binary = {kind: 'application/octet-stream' for kind in kinds if not KNOWN_TYPES.fullmatch(kind)}
    # JSON is valid YAML.
    (work / 'config.yml').write_text(json.dumps({'content_type_overrides': binary}))
    _run(
        work, _program('openapi-python-client'), 'generate', '--path', 'openapi.json',
        '--config', 'config.yml', '--meta', 'none', '--output-path', 'client', '--fail-on-warning',
    )  # fmt: skip


def _content_types(part: Any) -> set[str]:
    """Return all content types of requests and responses in a part of an OpenAPI document."""
    if isinstance(part, list):
        return set().union(*map(_content_types, part))
    if not isinstance(part, dict):
        return set()
    own = part['content'] if isinstance(part.get('content'), dict) else {}
    return set(own).union(*map(_content_types, part.values()))


def _generate_typescript(work: Path) -> None:
    # The generator itself types binary content as text.
    node, package = _program('node'), _program('openapi-typescript').resolve().parents[1]
    shutil.copytree(TEMPLATES, work / 'client')
    script = work / 'client' / 'generate.mjs'
    _run(work, node, script, package, 'openapi.json', 'client/schema.ts')
    script.unlink()


GENERATORS: dict[str, Callable[[Path], None]] = {
    'python': _generate_python,
    'typescript': _generate_typescript,
}


def _program(name: str) -> Path:
    found = shutil.which(name, path=_search_path())
    if found is None:
        raise ClientError(f'{name} is not installed; run `make clients`, or add it to PATH')
    return Path(found)


def _search_path() -> str:
    own = (tools_folder() / 'bin', tools_folder() / 'node_modules' / '.bin')
    return os.pathsep.join([*map(str, own), os.environ.get('PATH', os.defpath)])


def _run(work: Path, *command: str | Path) -> None:
    ended = subprocess.run(  # noqa: S603 - the arguments are those of this module
        command, cwd=work, env={**os.environ, 'PATH': _search_path()}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    if ended.returncode:
        lines = [line.strip() for line in (ended.stdout + ended.stderr).splitlines()]
        said = ' / '.join([line for line in lines if line][-SHOWN_LINES:]) or 'no output'
        raise ClientError(f'{Path(command[0]).name} failed: {said}')
