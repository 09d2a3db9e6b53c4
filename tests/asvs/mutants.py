"""Mutants of the rows of docs/asvs.md, as `mutants.toml` lists them."""

import tomllib
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]


class Edit(NamedTuple):
    """Text in a file, and its replacement."""

    path: str
    old: str
    new: str


class Mutant(NamedTuple):
    """Row, and the edits that break its claim."""

    row: str
    edits: tuple[Edit, ...]


def load_mutants() -> list[Mutant]:
    """Return all mutants, in the order of the file."""
    text = Path(__file__).with_suffix('.toml').read_text(encoding='utf-8')
    return [
        Mutant(each['row'], tuple(Edit(*edit) for edit in each['edits']))
        for each in tomllib.loads(text)['mutants']
    ]
