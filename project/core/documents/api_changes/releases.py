"""The stored releases: each folder in `docs/releases` has the documents of one release."""

import json
import re
import tomllib
from pathlib import Path
from typing import TypeAlias

from .schema_values import Document

VERSION_PATTERN = re.compile(r'(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)', re.ASCII)
OPENAPI_FILE = 'openapi.json'

# Major, minor and patch number.
Version: TypeAlias = tuple[int, int, int]


class ReleaseInvalid(Exception):
    """A release does not exist, cannot be read or cannot be made. The message has one line."""


def releases_folder(root: Path) -> Path:
    """Return the folder of all releases of a repository."""
    return root / 'docs' / 'releases'


def parse_version(text: str) -> Version:
    """Return the numbers of a version.

    :raises ReleaseInvalid: if the text is not a version such as `1.4.0`.
    """
    match = VERSION_PATTERN.fullmatch(text)
    if match is None:
        raise ReleaseInvalid(f'{text!r} is not a version such as 1.4.0')
    major, minor, patch = map(int, match.groups())
    return major, minor, patch


def project_version(root: Path) -> str | None:
    """Return the version in `pyproject.toml`, or None without this file.

    :raises ReleaseInvalid: if the file declares no version.
    """
    path = root / 'pyproject.toml'
    if not path.exists():
        return None
    try:
        version: str = tomllib.loads(path.read_text(encoding='utf-8'))['project']['version']
    except (tomllib.TOMLDecodeError, KeyError) as error:
        raise ReleaseInvalid(f'pyproject.toml has no readable version: {error}') from error
    return version


def newest_release(root: Path) -> str | None:
    """Return the newest stored release that is not newer than the version of the project.

    A repository that merges later fixes of its origin may also store newer releases of the origin.

    :returns: None if there is no release.
    """
    limit = project_version(root)
    folders = releases_folder(root).glob('*/')
    versions = [parse_version(f.name) for f in folders if VERSION_PATTERN.fullmatch(f.name)]
    known = [v for v in versions if limit is None or v <= parse_version(limit)]
    return '.'.join(map(str, max(known))) if known else None


def read_openapi(root: Path, version: str) -> Document:
    """Return the OpenAPI document of a release.

    :raises ReleaseInvalid: if there is no such release, or its document cannot be read.
    """
    parse_version(version)
    path = releases_folder(root) / version / OPENAPI_FILE
    try:
        document: Document = json.loads(path.read_text(encoding='utf-8'))
    except FileNotFoundError:
        raise ReleaseInvalid(f'{path.relative_to(root)} does not exist') from None
    except ValueError as error:
        raise ReleaseInvalid(f'{path.relative_to(root)} is not JSON: {error}') from error
    if not isinstance(document, dict) or 'paths' not in document:
        raise ReleaseInvalid(f'{path.relative_to(root)} is not an OpenAPI document')
    return document
