"""Checks that the tests of features use the test kit (`tests/kit`) instead of their own means.

Each rule recognizes a node of the syntax tree. A violation names the file, the line, the rule and
the remedy.
"""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from tests.architecture import parse
from tests.feature_sources import called, features_of, nodes

# Tests across features, which follow the same rules.
SHARED_FOLDERS = ('integration', 'asvs')
CLOCK_LIBRARIES = {'time_machine', 'freezegun'}
MAIL_PARSERS = {'message_from_bytes', 'message_from_string', 'message_from_file'}
STATEMENT_EVENTS = {'before_cursor_execute', 'after_cursor_execute', 'before_execute'}
IDENTIFIERS = {'identify', 'reload_principal'}
PATCHES = {'setattr', 'setitem', 'patch', 'object'}


def moves_the_clock(node: ast.AST) -> bool:
    """Return whether a node imports a library that moves the clock, or patches the clock."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        names = [name.name for name in node.names] + [getattr(node, 'module', None) or '']
        return any(name.partition('.')[0] in CLOCK_LIBRARIES for name in names)
    return any(
        text == 'now' or text.startswith('project.core.clock') or text.endswith('.now')
        for text in _patched(node)
    )


def records_statements(node: ast.AST) -> bool:
    """Return whether a node names an event that SQLAlchemy sends for each statement."""
    return isinstance(node, ast.Constant) and node.value in STATEMENT_EVENTS


def replaces_the_storage(node: ast.AST) -> bool:
    """Return whether a node changes a storage class, by a subclass with methods or a patch."""
    if isinstance(node, ast.ClassDef):
        is_storage = any(_is_storage(base) for base in node.bases)
        return is_storage and any(isinstance(part, ast.FunctionDef) for part in node.body)
    return (
        isinstance(node, ast.Call)
        and called(node) in PATCHES
        and bool(node.args)
        and (_is_storage(node.args[0]) or '.storage.' in str(_text(node.args[0])))
        and not str(_text(node.args[0])).rpartition('.')[2].isupper()
    )


def logs_in(node: ast.AST) -> bool:
    """Return whether a node sets the token of a client, or identifies callers."""
    if isinstance(node, ast.Assign):
        targets = [target.slice for target in node.targets if isinstance(target, ast.Subscript)]
        return any(_text(target) == 'HTTP_AUTHORIZATION' for target in targets)
    return any(text in IDENTIFIERS for text in _patched(node))


def parses_mails(node: ast.AST) -> bool:
    """Return whether a node imports a parser of mails, or replaces the transport of mails."""
    if isinstance(node, ast.ImportFrom):
        return any(name.name in MAIL_PARSERS for name in node.names)
    is_extension = isinstance(node, ast.Call) and bool(node.args) and _is_extensions(node.args[0])
    return is_extension and 'mail' in _patched(node)


def parses_responses(node: ast.AST) -> bool:
    """Return whether a node reads the data or the reasons from the JSON of a response."""
    return (
        isinstance(node, ast.Subscript)
        and getattr(node.value, 'attr', '') == 'json'
        and _text(node.slice) == 'data'
    )


class Rule(NamedTuple):
    """A rule: the nodes that violate it, what they do, and the remedy."""

    violates: Callable[[ast.AST], bool]
    what: str
    remedy: str


RULES = (
    Rule(moves_the_clock, 'moves the clock by its own means', 'use the fixture travel(days=3)'),
    Rule(records_statements, 'listens to SQL statements', 'use the fixture queries(max=1)'),
    Rule(replaces_the_storage, 'replaces methods of a storage',
         'use the fixture storage_failing(after=0)'),
    Rule(logs_in, 'sets the login of a client',
         'use the fixture as_user(), as_key(scopes=…) or bearer(token)'),
    Rule(parses_mails, 'receives or parses mails by its own means',
         'use the fixture mailbox.latest()'),
    Rule(parses_responses, 'parses the JSON of a response',
         "call data(response) or fails_with(response, 'field') of tests.kit.responses"),
)  # fmt: skip


def kit_bypasses(root: Path) -> list[str]:
    """Return the places at which tests of features do by hand what the test kit does."""
    return [
        f'{path.relative_to(root)}:{node.lineno}: {rule.what}. Remedy: {rule.remedy}.'  # type: ignore[attr-defined]
        for path in _test_modules(root)
        for node in nodes(parse(path.read_text(encoding='utf-8')))
        for rule in RULES
        if rule.violates(node)
    ]


def _test_modules(root: Path) -> Iterator[Path]:
    for folder in (*features_of(root).names, *SHARED_FOLDERS):
        yield from sorted((root / 'tests' / folder).rglob('*.py'))


def _patched(node: ast.AST) -> list[str]:
    """Return the names in the arguments of a call that replaces an attribute or an item."""
    if not (isinstance(node, ast.Call) and called(node) in PATCHES):
        return []
    return [text for argument in node.args[:2] if (text := _text(argument))]


def _text(node: ast.AST) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _is_storage(node: ast.AST) -> bool:
    name = getattr(node, 'attr', getattr(node, 'id', ''))
    return str(name).endswith('Storage')


def _is_extensions(node: ast.AST) -> bool:
    return getattr(node, 'attr', '') == 'extensions'
