"""The source code of all features, and which other features each of them may use."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from project.core.features import find_features
from project.core.registration import owner_of_name
from tests.architecture import parse


class Module(NamedTuple):
    """A parsed module.

    :param path: the path relative to the repository.
    :param package: the feature to which the module belongs, or `core`.
    :param file: the absolute path.
    """

    path: str
    package: str
    tree: ast.Module
    file: Path


class Features:
    """The features of a repository, and the rules that determine which of them a package may use.

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
        """Return the feature to which a name belongs, or None: `files` for `files_tags`."""
        return owner_of_name(name, self.names)

    def owner_of_module(self, module: str) -> str | None:
        """Return the feature of a module, or None: `users` for `tests.users.factories`."""
        parts = module.split('.')
        is_ours = len(parts) > 1 and parts[0] in ('project', 'tests') and parts[1] in self.names
        return parts[1] if is_ours else None

    def may_use(self, user: str, owner: str | None) -> bool:
        """Return whether a package may use names of another feature.

        :param user: the package: a feature or `core`.
        :param owner: the feature that owns the name; None if it belongs to no feature.
        """
        return owner is None or owner in self._allowed.get(user, {'core'})

    def remedy(self, user: str, owner: str | None) -> str:
        """Return what to do if `user`, a package, must not use a name of the feature `owner`."""
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
    """Return the features of a repository. Cached, because several checks use them."""
    return Features(root)


@cache
def nodes(tree: ast.Module) -> tuple[ast.AST, ...]:
    """Return all syntax nodes of a module. Cached, because several checks read them."""
    return tuple(ast.walk(tree))


def calls(tree: ast.Module) -> Iterator[ast.Call]:
    """Yield all calls of a module."""
    yield from (node for node in nodes(tree) if isinstance(node, ast.Call))


def called(call: ast.Call) -> str:
    """Return the last part of the name of a called function: `get` for `session.get(…)`."""
    name: str = getattr(call.func, 'attr', getattr(call.func, 'id', ''))
    return name


@cache
def texts(tree: ast.Module) -> tuple[tuple[int, str], ...]:
    """Return the line and the value of each string in a module, except docstrings."""
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
    """Return the line of each setting that a module declares, by the name of the setting."""
    tree = parse(path.read_text(encoding='utf-8')) if path.is_file() else ast.Module([], [])
    return {
        target.id: node.lineno
        for node in nodes(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name) and target.id.isupper()
    }
