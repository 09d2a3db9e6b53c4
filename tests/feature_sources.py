"""The source of all features, and the features that each of them may use."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from project.core.features import find_features
from tests.architecture import parse


class Module(NamedTuple):
    """A module, its place, and the feature that it belongs to (or `core`)."""

    path: str
    package: str
    tree: ast.Module
    file: Path


class Features:
    """The features of a repository. A package may use names of some of them.

    :param root: the folder of the repository.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        found = find_features(root / 'project')
        self.names = tuple(each.name for each in found)
        self._allowed = {each.name: {each.name, *each.requires, 'core'} for each in found}
        self.core_settings = _declared(root / 'config' / 'base.py')
        self.permission_prefixes = {n: n for n in self.names} | dict(self._registered_prefixes())

    def owner(self, name: str) -> str | None:
        """Return the feature with whose name a name begins, or None."""
        owners = [f for f in self.names if name == f or name.startswith(f'{f}_')]
        return max(owners, key=len, default=None)

    def owner_of_module(self, module: str) -> str | None:
        """Return the feature of a module of the project or of the tests, or None."""
        parts = module.split('.')
        is_ours = len(parts) > 1 and parts[0] in ('project', 'tests') and parts[1] in self.names
        return parts[1] if is_ours else None

    def may_use(self, user: str, owner: str | None) -> bool:
        """Return whether a feature, or the core, may use names of a feature."""
        return owner is None or owner in self._allowed.get(user, {'core'})

    def remedy(self, user: str, owner: str | None) -> str:
        """Return the remedy for the use of a name of another feature."""
        if user not in self.names:
            return f'move the code to project/{owner}'
        return f'add {owner!r} to requires in project/{user}/__init__.py, or move the code'

    def modules(self, folder: str = 'project') -> Iterator[Module]:
        """Yield the modules of each feature, and those of the core if the folder is `project`."""
        for package in (*self.names, 'core') if folder == 'project' else self.names:
            for path in sorted((self.root / folder / package).rglob('*.py')):
                tree = parse(path.read_text(encoding='utf-8'))
                yield Module(str(path.relative_to(self.root)), package, tree, path)

    def _registered_prefixes(self) -> Iterator[tuple[str, str]]:
        for name in self.names:
            for path in sorted((self.root / 'project' / name).rglob('permissions.py')):
                for call in calls(parse(path.read_text(encoding='utf-8'))):
                    if called(call) == 'register_permission_prefix' and call.args:
                        yield ast.literal_eval(call.args[0]), name


@cache
def features_of(root: Path) -> Features:
    """Return the features of a repository, which are read once."""
    return Features(root)


@cache
def nodes(tree: ast.Module) -> tuple[ast.AST, ...]:
    """Return all nodes of a module. Several checks read them."""
    return tuple(ast.walk(tree))


def calls(tree: ast.Module) -> Iterator[ast.Call]:
    """Yield all calls of a module."""
    yield from (node for node in nodes(tree) if isinstance(node, ast.Call))


def called(call: ast.Call) -> str:
    """Return the last name of a called function."""
    name: str = getattr(call.func, 'attr', getattr(call.func, 'id', ''))
    return name


@cache
def texts(tree: ast.Module) -> tuple[tuple[int, str], ...]:
    """Return the strings of a module with their lines, without docstrings."""
    docstrings = {
        node.value
        for node in nodes(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    return tuple(
        (node.lineno, node.value)
        for node in nodes(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if node not in docstrings
    )


def _declared(path: Path) -> dict[str, int]:
    """Return the settings that a module declares, with their lines."""
    tree = parse(path.read_text(encoding='utf-8')) if path.is_file() else ast.Module([], [])
    return {
        target.id: node.lineno
        for node in nodes(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name) and target.id.isupper()
    }
