"""Removed features, which shared pages and files still name.

A team may remove `auth` or `files`, and edit the shared pages later. So the checks of these pages
ignore paths, commands and settings of a removed feature. A new feature needs no entry in
`COMMANDS`: only its own files name it.
"""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# The commands of each feature that shared pages and files name.
COMMANDS = {'auth': ('auth', 'create-user'), 'files': ('files',)}


def removed_features(root: Path = ROOT) -> set[str]:
    """Return the features of `COMMANDS` that were removed from a repository."""
    return {name for name in COMMANDS if not (root / 'project' / name).is_dir()}


def is_removed_path(path: str, root: Path = ROOT) -> bool:
    """Return whether a missing path, relative to the repository, may belong to a removed feature.

    Test modules may be in any folder, because a test across features is deleted with each of them.
    """
    names = '|'.join(sorted(removed_features(root)))
    folders = '(project|migrations/versions|config/features|docs/features)'
    return bool(names) and bool(re.match(rf'tests/(?!test_)|{folders}/({names})([./]|$)', path))


def is_removed_command(words: str) -> bool:
    """Return whether `flask` and these words are a command of a removed feature."""
    return words.split()[0] in {word for name in removed_features() for word in COMMANDS[name]}


def is_removed_setting(name: str) -> bool:
    """Return whether a setting belongs to a removed feature."""
    return name.startswith(tuple(f'{feature.upper()}_' for feature in removed_features()))
