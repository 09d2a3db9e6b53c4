"""The files to delete with a feature: its own folders, and test modules that need the feature."""

import ast
from collections.abc import Iterator
from pathlib import Path

# Folders whose modules may use any feature. If a module there uses a feature, it must be deleted
# with the feature.
TEST_FOLDERS = ('tests', 'benchmarks')


def paths_of_feature(name: str, root: Path) -> list[Path]:
    """Return the files and folders to delete with a feature, relative to `root`, sorted.

    These are the folders, the settings and the pages of the feature, and all test modules elsewhere
    that need it. Modules that all tests share, such as `conftest.py`, must not need a feature that
    can be removed.
    """
    own = [
        Path('project', name),
        Path('tests', name),
        Path('migrations', 'versions', name),
        Path('config', 'features', f'{name}.py'),
        *(page.relative_to(root) for page in (root / 'docs' / 'features').glob(f'{name}.*')),
    ]
    return sorted([*(path for path in own if (root / path).exists()), *dependents(name, root)])


def dependents(name: str, root: Path) -> list[Path]:
    """Return the test modules that need a feature, except those in `tests/<feature>`.

    A module needs the feature `files` if it imports `project.files` or `tests.files`, or another
    module that needs `files`. A module that only uses URLs, commands or tables of the feature
    declares this: `requires = ('files',)`.
    """
    modules = {
        path.relative_to(root): _uses(path, root)
        for folder in TEST_FOLDERS
        for path in (root / folder).rglob('*.py')
    }
    needed = {f'project.{name}', f'tests.{name}'}
    own = Path('tests', name)
    found: set[Path] = set()
    while more := {
        path
        for path, uses in modules.items()
        if path not in found and own not in path.parents and _is_any_in(needed, uses)
    }:
        found |= more
        needed |= {_module_name(path) for path in more}
    return sorted(found)


def _is_any_in(needed: set[str], uses: set[str]) -> bool:
    """Return whether one of the used names is in `needed`, or inside a module in `needed`."""
    return any(use == name or use.startswith(f'{name}.') for use in uses for name in needed)


def _uses(path: Path, root: Path) -> set[str]:
    """Return the modules that a module imports, and the packages that its `requires` names."""
    package = _module_name(path.relative_to(root)).split('.')
    if path.name != '__init__.py':
        package.pop()
    tree = ast.parse(path.read_text(encoding='utf-8'))
    declared = [f'project.{name}' for node in tree.body for name in _declared(node)]
    return {*declared, *(name for node in ast.walk(tree) for name in _imported(node, package))}


def _declared(node: ast.stmt) -> tuple[str, ...]:
    """Return the features that a statement `requires = …` of a module names."""
    if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == 'requires':
        return tuple(ast.literal_eval(node.value))
    return ()


def _imported(node: ast.AST, package: list[str]) -> Iterator[str]:
    """Yield the modules that a statement imports."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = package[: len(package) - node.level + 1] if node.level else []
        module = '.'.join([*base, *([node.module] if node.module else [])])
        # `from project import files` imports `project.files`.
        yield from (f'{module}.{alias.name}' for alias in node.names)


def _module_name(path: Path) -> str:
    """Return the name of a module: `tests.files.factories` for `tests/files/factories.py`."""
    parts = path.with_suffix('').parts
    return '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)
