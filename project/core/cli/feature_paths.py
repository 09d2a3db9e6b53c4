"""The files to delete with a feature: its own folders, and test modules that need the feature."""

import ast
from collections.abc import Iterator
from pathlib import Path

# Folders whose modules may use any feature. If a module there uses a feature, it must be deleted
# with the feature.
TEST_FOLDERS = ('tests', 'benchmarks')

# Folders of tests across features, whose helper modules are not needed elsewhere.
HELPER_FOLDERS = (
    'tests/integration', 'tests/servers', 'tests/journeys', 'tests/reliability', 'tests/asvs',
    'tests/clients', 'benchmarks',
)  # fmt: skip


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
    return sorted(_find_dependents(name, _read_modules(root)))


def shared_dependents(name: str, root: Path) -> dict[Path, str]:
    """Return the modules that need a feature but must stay, and one use of the feature in each.

    These are modules in the folders of other features, and modules without tests that tests of
    other parts may use. A helper of `HELPER_FOLDERS` may go with a feature.
    """
    modules = _read_modules(root)
    found = _find_dependents(name, modules)
    own = {f'project.{name}', f'tests.{name}'}
    needed = own | {_module_name(path) for path in found}
    shared = {
        path: min(
            (use for use in modules[path] if _is_any_in(needed, {use})),
            key=lambda use: (not _is_any_in(own, {use}), use),
        )
        for path in sorted(found)
        if _is_of_other_feature(path, root) or not _may_go(path, found, name, modules)
    }
    # The others need only one of these modules, and stay if it stays.
    direct = {path: use for path, use in shared.items() if _is_any_in(own, {use})}
    return direct or shared


def _is_of_other_feature(path: Path, root: Path) -> bool:
    folder, owner = path.parts[:2]
    return folder == 'tests' and owner != 'core' and (root / 'project' / owner).is_dir()


def _may_go(path: Path, found: set[Path], name: str, modules: dict[Path, set[str]]) -> bool:
    """Return whether no test that stays may need a module that needs a feature."""
    if path.name in ('conftest.py', '__init__.py'):
        tests = {
            each
            for each in modules
            if path.parent in each.parents and each.name.startswith('test_')
        }
        return bool(tests) and tests <= found
    if path.name.startswith('test_') or _is_helper(path):
        return True
    importers = [each for each, uses in modules.items() if _is_any_in({_module_name(path)}, uses)]
    return bool(importers) and all(
        _is_helper(each) or Path('tests', name) in each.parents for each in importers
    )


def _is_helper(path: Path) -> bool:
    return any(path.is_relative_to(folder) for folder in HELPER_FOLDERS)


def _read_modules(root: Path) -> dict[Path, set[str]]:
    """Return the names that each test module uses, by its path relative to the repository."""
    return {
        path.relative_to(root): _uses(path, root)
        for folder in TEST_FOLDERS
        for path in (root / folder).rglob('*.py')
    }


def _find_dependents(name: str, modules: dict[Path, set[str]]) -> set[Path]:
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
    return found


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
