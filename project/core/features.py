"""Discovery of the features: every package below `project` except `core` is a feature.

A feature declares the features that it uses: `requires = ('users',)`. The mount order, the import
contracts and `flask feature` derive from these declarations.
"""

import ast
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

if TYPE_CHECKING:
    from click import Command
    from flask import Blueprint

PROJECT = Path(__file__).resolve().parents[1]


class FeatureInvalid(Exception):
    """The declaration of a feature is missing or wrong."""


class FeaturePackage(Protocol):
    """The names that the `__init__.py` of a feature must export.

    It may also export `config_checks`, `connect_receivers` and `authentication`.
    """

    requires: tuple[str, ...]
    blueprint: 'Blueprint'
    clis: 'tuple[Command, ...]'


class Feature(NamedTuple):
    """A feature, and the names of the features that it uses."""

    name: str
    requires: tuple[str, ...]

    @property
    def package(self) -> FeaturePackage:
        """The imported package.

        :raises FeatureInvalid: if the package has no `blueprint` or no `clis`.
        """
        package = import_module(f'project.{self.name}')
        for name in ('blueprint', 'clis'):
            if not hasattr(package, name):
                raise FeatureInvalid(f'project/{self.name}/__init__.py defines no `{name}`')
        return cast(FeaturePackage, package)


def find_features(folder: Path = PROJECT) -> tuple[Feature, ...]:
    """Return all features. A feature comes after those that it requires; otherwise by name.

    `requires` is read from the source, so no feature is imported.

    :param folder: the folder with the packages of the features.
    :raises FeatureInvalid: if a feature declares no `requires`, requires a feature that does not
        exist, or if features require each other in a circle.
    """
    required = {
        path.parent.name: _read_requires(path)
        for path in sorted(folder.glob('*/__init__.py'))
        if path.parent.name != 'core'
    }
    for name, others in required.items():
        if 'core' in others:
            raise FeatureInvalid(
                f"project/{name}/__init__.py requires 'core': delete it, all features may use it"
            )
        for missing in sorted(set(others) - set(required)):
            raise FeatureInvalid(
                f'project/{name}/__init__.py requires {missing!r}, '
                f'but there is no package project/{missing}'
            )
    return tuple(Feature(name, required[name]) for name in _in_order(required))


def _read_requires(path: Path) -> tuple[str, ...]:
    """Return the value that a module assigns to `requires`.

    :raises FeatureInvalid: if it assigns none, or not a tuple of strings.
    """
    place = f'project/{path.parent.name}/__init__.py'
    for node in ast.parse(path.read_text(encoding='utf-8'), filename=place).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == 'requires':
            return _names_in(node.value, place)
    raise FeatureInvalid(
        f"{place} declares no requires: add `requires = ('users',)`, the names of the features that"
        ' it uses, or `requires = ()`'
    )


def _names_in(node: ast.expr, place: str) -> tuple[str, ...]:
    """Return the strings of a tuple in the source code."""
    names = [each.value for each in getattr(node, 'elts', ()) if isinstance(each, ast.Constant)]
    if (
        isinstance(node, ast.Tuple)
        and len(names) == len(node.elts)
        and all(isinstance(name, str) for name in names)
    ):
        return tuple(map(str, names))
    raise FeatureInvalid(
        f"{place}: requires must be a tuple of names, such as `('users',)`, not {ast.unparse(node)}"
    )


def _in_order(required: dict[str, tuple[str, ...]]) -> list[str]:
    """Return the names of features, each after those that it requires, otherwise by name."""
    sorter = TopologicalSorter(required)
    try:
        sorter.prepare()
    except CycleError as error:
        raise FeatureInvalid(f'features require each other: {" → ".join(error.args[1])}') from None
    names: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        names += ready
        sorter.done(*ready)
    return names
