"""The mutants in `mutants.toml`: code changes that break a requirement in docs/asvs.md."""

import tomllib
from pathlib import Path
from typing import NamedTuple

from tests.removed_features import is_removed_path

# The requirements in docs/asvs.md are about authentication.
requires = ('auth',)

ROOT = Path(__file__).resolve().parents[2]


class Edit(NamedTuple):
    """A replacement of a text in one file."""

    path: str
    old: str
    new: str


class Mutant(NamedTuple):
    """A requirement of docs/asvs.md, and the edits that break it in the code."""

    row: str
    edits: tuple[Edit, ...]


def load_mutants() -> list[Mutant]:
    """Return all mutants, in the order of the file, without edits of removed features."""
    text = Path(__file__).with_suffix('.toml').read_text(encoding='utf-8')
    return [
        Mutant(
            each['row'],
            tuple(Edit(*edit) for edit in each['edits'] if not _is_removed(edit[0])),
        )
        for each in tomllib.loads(text)['mutants']
    ]


def _is_removed(path: str) -> bool:
    return not (ROOT / path).exists() and is_removed_path(path)
