"""Search for the module that defines an imported name, through all modules that re-export it."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from tests.architecture import parse
from tests.feature_sources import nodes


class Use(NamedTuple):
    """A use of a name in a module.

    :param source: the module from which the name is imported or read.
    :param origin: the module that defines it; another one if `source` re-exports the name.
    """

    line: int
    name: str
    source: str
    origin: str


class Origins:
    """The imports of all modules of a repository, read from the source.

    :param root: the folder of the repository.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._bindings: dict[str, dict[str, tuple[str, str]]] = {}
        self._paths: dict[str, Path | None] = {}

    def uses(self, path: Path) -> Iterator[Use]:
        """Yield the names that a module imports, and those that it reads from imported modules.

        With `from project import files`, an expression `files.service` is such a name.
        """
        tree = parse(path.read_text(encoding='utf-8'))
        local = {}
        for line, name, source, attribute in _imports(tree, self._package(path)):
            local[name] = (source, attribute)
            yield Use(line, name, source, self.origin(source, attribute))
        for node in nodes(tree):
            names = _chain(node) if isinstance(node, ast.Attribute) else []
            if names and names[0] in local:
                yield from self._attributes(node, names[1:], self.origin(*local[names[0]]))

    def _attributes(self, node: Any, names: list[str], module: str) -> Iterator[Use]:
        """Yield the uses in an expression `module.a.b`.

        :param node: the expression.
        :param names: the attributes: `a` and `b`.
        """
        for name in names:
            if not self._path_of(module):
                return
            origin = self.origin(module, name)
            yield Use(node.lineno, name, module, origin)
            if origin == module:
                return
            module = origin

    def origin(self, module: str, name: str, seen: frozenset[tuple[str, str]] = frozenset()) -> str:
        """Return the module that defines `name`, which another module may import from `module`.

        If the name is itself a module, return that module.
        """
        if not name or self._path_of(f'{module}.{name}'):
            return f'{module}.{name}'.rstrip('.')
        path = self._path_of(module)
        if path is None or (module, name) in seen:
            return module
        if module not in self._bindings:
            tree = parse(path.read_text(encoding='utf-8'))
            found = _imports(tree, self._package(path))
            self._bindings[module] = {bound: (source, a) for _, bound, source, a in found}
        target = self._bindings[module].get(name)
        return self.origin(*target, seen | {(module, name)}) if target else module

    def _path_of(self, module: str) -> Path | None:
        """Return the file of a module of the repository, or None."""
        if module not in self._paths:
            path = self._root.joinpath(*module.split('.'))
            paths = (path / '__init__.py', path.with_suffix('.py'))
            self._paths[module] = next((found for found in paths if found.is_file()), None)
        return self._paths[module]

    def _package(self, path: Path) -> list[str]:
        """Return the names of the package that contains a module."""
        return list(path.relative_to(self._root).parent.parts)


def _chain(node: ast.expr) -> list[str]:
    """Return the names of `a.b.c`, or an empty list if the expression is not such a chain."""
    names = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return [node.id, *names[::-1]] if isinstance(node, ast.Name) else []


@cache
def origins_of(root: Path) -> Origins:
    """Return the imports of a repository. Cached, because several checks use them."""
    return Origins(root)


def _imports(tree: ast.Module, package: list[str]) -> Iterator[tuple[int, str, str, str]]:
    """Yield the line, the bound name, the module and the attribute of each import."""
    for node in nodes(tree):
        if isinstance(node, ast.Import):
            for each in node.names:
                bound = each.asname or each.name.split('.')[0]
                yield node.lineno, bound, each.name if each.asname else bound, ''
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            source = '.'.join([*above, *filter(None, [node.module])])
            for each in node.names:
                yield node.lineno, each.asname or each.name, source, each.name
