"""Merge of generated code into an existing module: imports, lists, statements, definitions.

`flask feature add` uses it. The existing module is called `known` or `ours`, the generated one
`new` or `theirs`.
"""

import ast
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from textwrap import fill
from typing import Any, NamedTuple

Definition = ast.ClassDef | ast.FunctionDef
LIST_CHARACTERS = 80
LISTS = ('__all__', 'requires')


class MergeImpossible(Exception):
    """Code must be added by hand; the message is one line that contains it."""


class Edit(NamedTuple):
    """An edit of a module: `text` replaces the bytes from `start` to `end`."""

    start: int
    end: int
    text: str


class Module:
    """A parsed module, which can locate its syntax nodes in the text.

    Positions are in bytes, because `ast` counts columns in bytes.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.tree = ast.parse(text)
        self.bytes = text.encode()
        lines = self.bytes.splitlines(keepends=True)
        self._starts = [0, *accumulate(map(len, lines))]

    def start_of(self, node: ast.stmt | ast.expr) -> int:
        """Return the position of the first byte of a node."""
        return self._starts[node.lineno - 1] + node.col_offset

    def end_of(self, node: ast.stmt | ast.expr) -> int:
        """Return the position after the last byte of a node."""
        return self._starts[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)

    def source_of(self, node: ast.stmt | ast.expr) -> str:
        """Return the text of a node, with its decorators."""
        decorators = getattr(node, 'decorator_list', [])
        # The position of a decorator is that of its name, after the `@`.
        start = self.start_of(decorators[0]) - 1 if decorators else self.start_of(node)
        return self.bytes[start : self.end_of(node)].decode()

    def definitions(self) -> dict[str, Definition]:
        """Return the functions and classes at the top level, by name."""
        return {node.name: node for node in self.tree.body if isinstance(node, Definition)}

    def defined(self) -> list[str]:
        """Return the names of functions and classes, as often as the module defines them."""
        return [node.name for node in self.tree.body if isinstance(node, Definition)]


def merge_modules(ours: str, theirs: str) -> str:
    """Return the text of the first module, with the code added that only the second one has.

    The result may have unsorted imports; ruff sorts them.

    :raises MergeImpossible: if code must be added by hand.
    """
    known, new = Module(ours), Module(theirs)
    edits = [*_statements(known, new), *_imports(known, new), *_lists(known, new)]
    content = known.bytes
    for start, end, text in sorted(edits, reverse=True):
        content = content[:start] + text.encode() + content[end:]
    added = [
        new.source_of(node)
        for name, node in new.definitions().items()
        if name not in known.definitions()
    ]
    return '\n\n\n'.join([content.decode().rstrip('\n'), *added]) + '\n'


def _imports(known: Module, new: Module) -> Iterator[Edit]:
    """Yield the edits that add the missing imports.

    If the known module already imports from the same module, the names are added to this statement.
    Other imports are inserted after the docstring.
    """
    docstring = known.end_of(known.tree.body[0])
    ours = {ast.unparse(node) for node in known.tree.body if isinstance(node, ast.Import)}
    for node in new.tree.body:
        if isinstance(node, ast.Import) and ast.unparse(node) not in ours:
            yield Edit(docstring, docstring, f'\n{ast.unparse(node)}')
    nodes = {_beginning(n): n for n in known.tree.body if isinstance(n, ast.ImportFrom)}
    for start, names in _imported(new).items():
        if start in nodes:
            yield _extended(known, nodes[start], [*_imported(known)[start], *names])
        else:
            yield Edit(docstring, docstring, f'\n{start} {", ".join(names)}')


def _imported(module: Module) -> dict[str, list[str]]:
    """Return the names that `from` statements import, by their beginning: `from . import`."""
    found: dict[str, list[str]] = {}
    for node in module.tree.body:
        if isinstance(node, ast.ImportFrom):
            found.setdefault(_beginning(node), []).extend(map(ast.unparse, node.names))
    return found


def _beginning(node: ast.ImportFrom) -> str:
    return f'from {"." * node.level}{node.module or ""} import'


def _extended(module: Module, node: ast.ImportFrom, names: list[str]) -> Edit:
    """Return the edit that makes an import statement import `names`.

    If the first line of the statement ends with a comment, such as `# noqa: F401`, the comment is
    kept on the first line of the new statement.
    """
    line = module.text.splitlines()[node.lineno - 1]
    comment = f'  {line[line.index("#") :]}' if '#' in line else ''
    end = module.end_of(node)
    if node.end_lineno == node.lineno:
        end += len(line.encode()) - (node.end_col_offset or 0)
    several = ', '.join(dict.fromkeys(names))
    return Edit(module.start_of(node), end, f'{_beginning(node)} ({comment}\n{several},\n)')


def _lists(known: Module, new: Module) -> Iterator[Edit]:
    """Add elements to lists and tuples of names, and entries to the dictionary `tables`.

    :raises MergeImpossible: if one is not a literal, and lacks an element.
    """
    ours, theirs = _assigned(known), _assigned(new)
    for name in ours.keys() & theirs.keys():
        wanted = ast.literal_eval(theirs[name])
        before = _literal(ours[name], (list, tuple))
        if before is None:
            _ensure_contained(wanted, known, f'{name} is not a list of texts', map(repr, wanted))
        elif added := [each for each in wanted if each not in before]:
            text = _on_lines(repr(type(before)([*before, *added])))
            yield Edit(known.start_of(ours[name]), known.end_of(ours[name]), text)
    functions = known.definitions()
    for name, node in new.definitions().items():
        if name in functions and (tables := _tables(node)):
            entries = ast.literal_eval(tables)
            value = _tables(functions[name])
            former = _literal(value, (dict,))
            if value is None or former is None:
                reason = f'the argument `tables` of {name} is not a dictionary of texts'
                lines = (f'{key!r}: {entry!r}' for key, entry in entries.items())
                _ensure_contained(entries, known, reason, lines)
            elif not entries.keys() <= former.keys():
                yield Edit(known.start_of(value), known.end_of(value), repr(former | entries))


def _on_lines(text: str) -> str:
    """Return a long list of names on several lines, for modules that ruff does not format."""
    if len(text) <= LIST_CHARACTERS:
        return text
    names = fill(
        text[1:-1], LIST_CHARACTERS, initial_indent=' ' * 4, subsequent_indent=' ' * 4,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
    return f'{text[0]}\n{names},\n{text[-1]}'


def _literal(node: ast.expr | None, types: tuple[type, ...]) -> Any:
    """Return the value of a literal of one of the types, or None for another expression."""
    try:
        value = ast.literal_eval(node) if node else None
    except ValueError:
        return None
    return value if isinstance(value, types) else None


def _ensure_contained(
    texts: Iterable[str], module: Module, reason: str, lines: Iterable[str]
) -> None:
    """Ensure that a module contains texts, because they cannot be added.

    :raises MergeImpossible: if one is missing.
    """
    nodes = ast.walk(module.tree)
    if not set(texts) <= {node.value for node in nodes if isinstance(node, ast.Constant)}:
        raise MergeImpossible(f'{reason}: add by hand: {", ".join(lines)}')


def _assigned(module: Module) -> dict[str, ast.expr]:
    return {
        ast.unparse(node.targets[0]): node.value
        for node in module.tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in LISTS
    }


def _tables(definition: Definition) -> ast.expr | None:
    """Return the tables with personal data that the decorator of a function declares."""
    for decorator in definition.decorator_list:
        for node in ast.walk(decorator):
            if isinstance(node, ast.keyword) and node.arg == 'tables':
                return node.value
    return None


def _statements(known: Module, new: Module) -> Iterator[Edit]:
    """Add statements to functions with the same name, before their last `return`.

    :raises MergeImpossible: if an added statement would be unreachable or lose a result.
    """
    theirs = new.definitions()
    for name, ours in known.definitions().items():
        other = theirs.get(name)
        if not isinstance(ours, ast.FunctionDef) or not isinstance(other, ast.FunctionDef):
            continue
        added = list(_missing(ours, other))
        if all(map(_is_initialization, added)):
            continue
        _ensure_same_end(name, ours, other, added)
        last = ours.body[-1]
        ends = isinstance(last, ast.Return)
        position = known.start_of(last) if ends else known.end_of(last)
        assigned = {n.id for n in ast.walk(ours) if isinstance(n, ast.Name) and _is_stored(n)}
        # A second initialization would overwrite the results of the existing statements.
        texts = [
            ast.unparse(each)
            for each in added
            if not _is_initialization(each) or (ends and not assigned & _targets(each))
        ]
        if texts:
            text = '\n    '.join(texts)
            yield Edit(position, position, f'{text}\n    ' if ends else f'\n    {text}')


def _missing(ours: ast.FunctionDef, other: ast.FunctionDef) -> Iterator[ast.stmt]:
    """Yield the statements that a function lacks, except docstrings and the last `return`.

    A function has a statement in another form if it contains all of its calls.
    """
    known = {ast.unparse(statement) for statement in ours.body} | _calls(ours)
    for statement in other.body:
        is_text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        if is_text or isinstance(statement, ast.Return) or ast.unparse(statement) in known:
            continue
        calls = _calls(statement)
        if not calls or not calls <= known:
            yield statement


def _calls(node: ast.stmt) -> set[str]:
    return {ast.unparse(each) for each in ast.walk(node) if isinstance(each, ast.Call)}


def _ensure_same_end(
    name: str, ours: ast.FunctionDef, other: ast.FunctionDef, added: Sequence[ast.stmt]
) -> None:
    """Ensure that statements can be added before the end of a function.

    :raises MergeImpossible: if the functions end with different `return` statements, or a statement
        contains another one.
    """
    ends = [
        ast.unparse(body[-1]) if isinstance(body[-1], ast.Return | ast.Raise) else ''
        for body in (ours.body, other.body)
    ]
    has_return = any(isinstance(n, ast.Return) for each in added for n in ast.walk(each))
    if has_return or ends[0] != ends[1]:
        lines = '; '.join([*map(ast.unparse, added), *filter(None, ends[1:])])
        raise MergeImpossible(
            f'the function {name} ends differently from the generated one: add by hand: {lines}'
        )


def _is_initialization(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant)


def _targets(statement: ast.stmt) -> set[str]:
    return {each.id for each in ast.walk(statement) if isinstance(each, ast.Name)}


def _is_stored(name: ast.Name) -> bool:
    return isinstance(name.ctx, ast.Store)
