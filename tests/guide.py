"""Checks of docs/guide.md, whose tables list the code and the tests for each topic.

Each topic must have a row, and the named paths and tests must exist. The first column contains the
topic, the second the code, and the last the tests.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.architecture import parse
from tests.removed_features import is_removed_path

# The topics that the guide must contain. For each topic there must be a row with its words.
TOPICS = (
    'setup',
    'app discovery',
    'environments',
    'three ways to configure',
    'secret keys',
    'routes',
    'return forms',
    'url converters',
    'method decorators',
    'maintenance mode',
    'crud with methodview',
    'send_file',
    'send_from_directory',
    'request object',
    'blueprints',
    'blueprint errors',
    'nesting',
    'shell context',
    'top-level commands',
    'grouped commands',
    'logging',
    'exceptions',
    'mail templates',
    'include',
    'extends',
    'for-else',
    'if',
    'filters',
    'custom filter',
    'block filters',
    'cookies',
    'string returns',
    'config.update',
    'jsend helpers',
    'request validation',
    'response schemas',
    'method field',
    'custom field',
    'cors',
    'security headers',
    'gunicorn',
    'procfile',
)
CONVERTERS = ('string', 'int', 'float', 'path', 'uuid')

PATH = re.compile(r'`([\w./-]+/[\w./-]*|[\w-]+\.(?:py|toml)|Procfile)`')
TEST = re.compile(r'`(tests/[\w/]+\.py)((?:::\w+)*)`')


def faults(text: str, root: Path) -> list[str]:
    """Return the faults of a guide.

    A fault is a topic without a row, or a row whose code or test does not exist.
    """
    rows = list(rows_of(text))
    said = ' | '.join(rows).replace('`', '').lower()
    found = [f'no row for: {topic}' for topic in TOPICS if not has_words(said, topic)]
    found += [
        f'no row for: the converter {name}' for name in CONVERTERS if not has_words(said, name)
    ]
    for row in rows:
        topic, code, *_, proof = (cell.strip() for cell in row.strip().strip('|').split('|'))
        paths, tests = PATH.findall(code), TEST.findall(proof)
        found += [] if paths else [f'{topic}: names no code']
        found += [] if tests else [f'{topic}: names no test']
        found += [
            f'{topic}: no {path}'
            for path in paths
            if not (root / path).exists() and not is_removed_path(path, root)
        ]
        found += [
            f'{topic}: no {file}{name}'
            for file, name in tests
            if not is_test(root, file, name)
            and ((root / file).exists() or not is_removed_path(file, root))
        ]
    return found


def rows_of(text: str) -> Iterator[str]:
    """Yield the rows of all Markdown tables, without their headings."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        below = lines[number + 1] if number + 1 < len(lines) else ''
        if line.startswith('|') and not is_ruler(line) and not is_ruler(below):
            yield line


def is_ruler(line: str) -> bool:
    """Return whether a line is the separator `|---|` between heading and rows."""
    return line.startswith('|') and set(line) <= set('|-: ')


def has_words(text: str, words: str) -> bool:
    """Return whether a text contains these words as whole words."""
    return re.search(rf'(?<![\w-]){re.escape(words)}(?![\w-])', text) is not None


def is_test(root: Path, file: str, name: str) -> bool:
    """Return whether a file contains the test class, method or function in `file::A::b`."""
    if not (root / file).is_file():
        return False
    place: ast.AST = parse((root / file).read_text(encoding='utf-8'))
    for part in name.split('::')[1:]:
        kinds = (ast.ClassDef, ast.FunctionDef)
        inside = [n for n in ast.iter_child_nodes(place) if isinstance(n, kinds) and n.name == part]
        if not inside or not part.lower().startswith('test'):
            return False
        place = inside[0]
    return True
