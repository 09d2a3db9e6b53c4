"""The version and the revision of the code that runs."""

import os
import tomllib
from functools import cache

from project.core.git_repository import ROOT, run_git

UNKNOWN = 'unknown'


@cache
def code_version() -> str:
    """Return the version in `pyproject.toml`, such as `1.4.0`; `unknown` without this file."""
    try:
        declared = tomllib.loads((ROOT / 'pyproject.toml').read_text(encoding='utf-8'))
        return str(declared['project']['version'])
    except (OSError, tomllib.TOMLDecodeError, KeyError):
        return UNKNOWN


@cache
def code_revision() -> str:
    """Return the git commit of the code: 12 hexadecimal digits, or `unknown`.

    An image contains no repository, so its build stores the commit in `APP_REVISION`.
    """
    commit = os.environ.get('APP_REVISION') or (run_git('rev-parse', 'HEAD') or '').strip()
    return commit[:12] or UNKNOWN


def code_version_and_revision() -> str:
    """Return both, in the form of Semantic Versioning: `1.4.0+0a1b2c3d4e5f`."""
    return f'{code_version()}+{code_revision()}'
