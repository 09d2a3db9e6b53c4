"""`make rename NAME=acme`: give the project another name.

The name is in a few places, each of which has a pattern here. The package `project` keeps its name,
so that merges of later versions of this template stay possible. Changes nothing if the project has
the name already.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from project.core.mail.rendering import sender_address

ROOT = Path(__file__).resolve().parent.parent

# The name of a distribution and of an image: lower case, because images accept nothing else.
NAME_PATTERN = re.compile(r'[a-z][a-z0-9]*(-[a-z0-9]+)*')
MAX_NAME_CHARACTERS = 40
# The title is in YAML, TOML and Python, and before an email address.
TITLE_PATTERN = re.compile(r'[\w .&/-]*\w[\w .&/-]*')
MAX_TITLE_CHARACTERS = 60
RESERVED = {'project', 'config', 'tests', 'benchmarks', 'migrations', 'wsgi'}
CURRENT_NAME = re.compile(r'^name = "([a-z0-9-]+)"$', re.MULTILINE)


class RenameImpossible(Exception):
    """The project cannot get the name. The message is one line."""


class Place(NamedTuple):
    """A place in a file that contains the name or the title of the project.

    :param pattern: a regular expression. Its group `name` or `title` is replaced.
    """

    path: str
    pattern: str


PLACES = (
    Place('pyproject.toml', r'^name = "(?P<name>[a-z0-9-]+)"$'),
    Place('pyproject.toml', r'^description = "(?P<title>[^":]+):'),
    Place('README.md', r'\A# (?P<title>.+)'),
    Place('project/core/web/openapi/document.py', r"^TITLE = '(?P<title>[^']+)'"),
    Place('config/base.py', r"^        '(?P<title>[^'<]+) <no-reply@localhost>'"),
    Place('docker-compose.yml', r'^  image: (?P<name>\S+)'),
    Place('docker-compose.yml', r'\$\{MAIL_FROM:-(?P<title>[^<]+) <no-reply@localhost>\}'),
)

TITLE_PLACE = next(place for place in PLACES if '(?P<title>' in place.pattern)


def main(name: str, title: str) -> None:
    """Rename the project; print the changed files.

    :param title: the title, or an empty text for that of `title_for`.
    :raises SystemExit: with one line, if a name is invalid or the work tree has changes.
    """
    try:
        ensure_valid_name(name, ROOT)
        title = title_for(name, title, ROOT)
        ensure_valid_title(title)
        former = current_name(ROOT)
        texts = renamed_texts(ROOT, name, title)
        if not texts:
            _print(f'The project already has the name {name}.')
            return
        ensure_clean(ROOT)
    except RenameImpossible as error:
        raise SystemExit(f'make rename: {error}') from None
    for path, text in texts.items():
        (ROOT / path).write_text(text, encoding='utf-8')
        _print(path)
    if former != name:
        # Otherwise `.venv` would contain the project under both names.
        uninstall = [sys.executable, '-m', 'pip', '--quiet', 'uninstall', '--yes', former]
        subprocess.run(uninstall, check=False)
    _print(f'Renamed the project to {name} ({title}). The package `project` keeps its name.')


def current_name(root: Path) -> str:
    """Return the name of the project in `pyproject.toml`."""
    found = CURRENT_NAME.search((root / 'pyproject.toml').read_text(encoding='utf-8'))
    if found is None:
        raise RenameImpossible('pyproject.toml has no name')
    return found[1]


def title_of(name: str) -> str:
    """Return the title for a name: `Acme Billing` for `acme-billing`."""
    return ' '.join(part.capitalize() for part in name.split('-'))


def title_for(name: str, title: str, root: Path) -> str:
    """Return the given title; without one, that of the project if it has the name already."""
    if title or name != current_name(root):
        return title or title_of(name)
    text = (root / TITLE_PLACE.path).read_text(encoding='utf-8')
    found = re.search(TITLE_PLACE.pattern, text, re.MULTILINE)
    return found['title'] if found else title_of(name)


def ensure_valid_name(name: str, root: Path) -> None:
    """Ensure that a distribution and an image may have a name.

    :raises RenameImpossible: if not, or if a required package has the name.
    """
    if not NAME_PATTERN.fullmatch(name) or len(name) > MAX_NAME_CHARACTERS:
        raise RenameImpossible(
            'NAME must be lower-case letters, digits and single hyphens, at most '
            f'{MAX_NAME_CHARACTERS} characters, such as NAME=acme-billing'
        )
    pinned = ''.join(path.read_text() for path in (root / 'requirements').glob('*.txt'))
    if name in RESERVED or re.search(rf'^{re.escape(name)}==', pinned, re.MULTILINE):
        raise RenameImpossible(f'{name} is the name of another package: choose another one')


def ensure_valid_title(title: str) -> None:
    """Ensure that a title needs no quotes in files and mails.

    :raises RenameImpossible: if it does.
    """
    if not TITLE_PATTERN.fullmatch(title) or len(title) > MAX_TITLE_CHARACTERS:
        raise RenameImpossible(
            f'TITLE must be letters, digits, spaces and `.&/-`, at most {MAX_TITLE_CHARACTERS} '
            'characters'
        )
    try:
        sender_address(f'{title} <no-reply@localhost>')
    except ValueError:
        raise RenameImpossible(
            'TITLE is also the name of the sender of mails, so it must not have dots'
        ) from None


def ensure_clean(root: Path) -> None:
    """Ensure that all files are committed, so that `git diff` shows only the new name.

    :raises RenameImpossible: if files differ from the last commit, or there is no repository.
    """
    command = ['git', 'status', '--porcelain']
    try:
        ended = subprocess.run(command, cwd=root, capture_output=True, text=True)
    except OSError:
        raise RenameImpossible('git is not installed') from None
    if ended.returncode:
        raise RenameImpossible('this is no git repository: git init, and commit all files first')
    if ended.stdout:
        raise RenameImpossible('the work tree has changes: commit or stash them first')


def renamed_texts(root: Path, name: str, title: str) -> dict[str, str]:
    """Return the new texts of the files that change, by path.

    :raises RenameImpossible: if a file no longer has the place for the name.
    """
    texts: dict[str, str] = {}
    for path, pattern in PLACES:
        text = texts.get(path) or (root / path).read_text(encoding='utf-8')
        found = [*re.finditer(pattern, text, re.MULTILINE)]
        if len(found) != 1:
            raise RenameImpossible(f'{path} has no line that matches {pattern}')
        [(group, _)] = found[0].groupdict().items()
        start, end = found[0].span(group)
        texts[path] = f'{text[:start]}{name if group == "name" else title}{text[end:]}'
    return {p: t for p, t in texts.items() if t != (root / p).read_text(encoding='utf-8')}


def _print(text: str) -> None:
    sys.stdout.write(f'{text}\n')


if __name__ == '__main__':
    # `make` exports the variables of its command line. As arguments, a shell would parse them.
    main(os.environ.get('NAME', ''), os.environ.get('TITLE', ''))
