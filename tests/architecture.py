"""Rules for the code that import-linter cannot check: one function for each rule.

Each of these functions takes the folder of a repository and returns the violations, usually as
`path: detail`. So a test can also run them on a copy of the repository that has violations.
"""

import ast
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from statistics import median, quantiles

from flask import Flask
from jinja2 import Environment
from jinja2.meta import find_undeclared_variables

from config.base import Config
from project.core.mail.rendering import duration, program

UNSCOPED_PERMISSIONS = ('project/core/security/principal.py', 'project/core/web/endpoints/guard.py')
RETIRED_WORDS = Path(__file__).with_name('retired_words.txt')
VAGUE = {'util', 'utils', 'helper', 'helpers', 'common', 'manager', 'managers', 'misc'}

# System calls and paths that exist only on Linux, and the modules that may use them. Each of these
# modules has a fallback for macOS and the BSDs, and a test of this fallback. docs/operations.md
# describes the fallbacks.
LINUX_ONLY = re.compile(
    r'prctl|TCP_USER_TIMEOUT|TCP_QUICKACK|SO_PEERCRED|SOCK_CLOEXEC|SOCK_NONBLOCK|AF_NETLINK|epoll'
    r'|sched_\w+affinity|eventfd\w*|memfd_create|pidfd_\w+|posix_fa\w+|O_TMPFILE|O_DIRECT|splice'
    r'|copy_file_range|fdatasync|pipe2|sigtimedwait|sigwaitinfo|prlimit|unshare|setns|inotify\w*'
    r'|/(proc|sys|dev/shm)(/.*)?'
)
LINUX_MODULES = {
    'project/core/processes.py': {'prctl', '/proc'},
    'project/core/images/sandbox.py': {'prctl', 'sched_getaffinity'},
    'project/core/server/polling_worker.py': {'TCP_USER_TIMEOUT'},
    'project/core/config_checks.py': {'/sys/fs/cgroup/memory.max'},
    'config/gunicorn.py': {'/dev/shm'},
}

# Settings that no operator sets: the code computes them.
DERIVED_SETTINGS = {'SQLALCHEMY_ENGINE_OPTIONS'}
# Variables that the templates of all mails can use.
MAIL_VARIABLES = {'public_url'}

# Methods of `Path` that return False for all errors since Python 3.14.
SWALLOWING = {'exists', 'is_file', 'is_dir', 'is_symlink', 'is_mount'}

# Slow functions that must not run in a transaction: in the meantime, a transaction on SQLite blocks
# all other writers.
SLOW = {
    'hash_password', 'verify_password', 'render_mail', 'urlopen', 'create_connection', 'SMTP',
    'sleep', 'receive', 'create_staged',
}  # fmt: skip


def services_that_know_requests(root: Path) -> list[str]:
    """Return the names that services import from Flask, except `current_app`."""
    found = []
    for path, tree in modules(root):
        if 'service' not in Path(path).with_suffix('').parts:
            continue
        for node in nodes(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or '').split('.')[0] == 'flask':
                found += [f'{path}: {n.name}' for n in node.names if n.name != 'current_app']
            elif isinstance(node, ast.Import):
                found += [f'{path}: {n.name}' for n in node.names if n.name.startswith('flask')]
    return found


def modules_without_a_word(root: Path) -> list[str]:
    """Return the modules without a docstring."""
    return [path for path, tree in modules(root) if not ast.get_docstring(tree)]


def handlers_without_a_word(root: Path) -> list[str]:
    """Return the request handlers without a docstring, which the OpenAPI document needs."""
    return [
        f'{path}: {function.name}'
        for path, tree in modules(root)
        for function in functions(tree)
        if is_decorated(function, 'endpoint') and not ast.get_docstring(function)
    ]


def routes_that_catch(root: Path) -> list[str]:
    """Return `try` statements in routes: only `core.web` converts exceptions to responses."""
    return [
        f'{path}:{node.lineno}'
        for path, tree in modules(root)
        if 'routes' in Path(path).with_suffix('').parts
        for node in nodes(tree)
        if isinstance(node, ast.Try | ast.TryStar)
    ]


def uses_of_unscoped_permissions(root: Path) -> list[str]:
    """Return uses of `permissions_ignoring_scopes` outside of the guard.

    These are all permissions of the user, even if the request has an API key with fewer. Other code
    must read `permissions`, which are limited to the scopes of the key.
    """
    return [
        f'{path}:{node.lineno}: use `permissions`, which are limited to the scopes'
        for path, tree in modules(root)
        if path not in UNSCOPED_PERMISSIONS
        for node in nodes(tree)
        if isinstance(node, ast.Attribute) and node.attr == 'permissions_ignoring_scopes'
    ]


def slow_in_atomic(root: Path) -> list[str]:
    """Return transactions that hash a password, send a mail or use the network.

    Both forms count: functions with the decorator `@atomic`, and blocks `with atomic()`.
    """
    found = []
    for path, tree in modules(root):
        for node in nodes(tree):
            if not (is_atomic_function(node) or is_atomic_block(node)):
                continue
            names = {ast.unparse(call.func).split('.')[-1] for call in calls(node)}
            found += [f'{path}:{node.lineno}: {name}' for name in sorted(names & SLOW)]
    return found


def unknown_settings(root: Path) -> list[str]:
    """Return settings that the code reads, but that neither `config` nor Flask declares."""
    known = {*dir(Config), *Flask(__name__).config, *DERIVED_SETTINGS}
    return [
        f'{path}:{line}: {name}'
        for path, tree in modules(root)
        for line, name in _settings_read(tree)
        if name.isupper() and name not in known
    ]


def _settings_read(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in nodes(tree):
        if isinstance(node, ast.Subscript):
            source, key = node.value, node.slice
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            source, key = node.func.value, node.args[0]
        else:
            continue
        is_config = (
            getattr(source, 'attr', None) == 'config' or getattr(source, 'id', '') == 'config'
        )
        if is_config and isinstance(key, ast.Constant) and isinstance(key.value, str):
            yield node.lineno, key.value


def unknown_template_variables(root: Path) -> list[str]:
    """Return variables in mail templates without a value in the `example.json` of the mail."""
    environment = Environment(autoescape=True)
    environment.filters |= {'duration': duration, 'program': program}
    found = []
    for example in sorted((root / 'project').glob('*/templates/mail/*/example.json')):
        values = json.loads(example.read_text())
        known = {*values, *values.get('secret', ()), *MAIL_VARIABLES}
        for part in ('subject.txt', 'body.txt', 'body.html'):
            template = example.with_name(part)
            if template.is_file():
                tree = environment.parse(template.read_text())
                unknown = find_undeclared_variables(tree) - known
                found += [f'{template.relative_to(root)}: {name}' for name in sorted(unknown)]
    return found


def vague_names(root: Path) -> list[str]:
    """Return modules with a vague name, such as `utils`."""
    return [path for path, _ in modules(root) if VAGUE & set(Path(path).with_suffix('').parts)]


def long_files(root: Path) -> list[str]:
    """Return the files that are too long.

    A file may have at most 300 lines. Of all files together, at least nine of ten must have at most
    200 lines. If fewer do, the result contains the statistic, such as `p90: 210 lines`.
    """
    sizes = {path: lines(root / path) for path, _ in modules(root)}
    found = [f'{path}: {size} lines' for path, size in sizes.items() if size > 300]
    tenth = quantiles(sizes.values(), n=10)[-1] if len(sizes) > 1 else 0
    return found + ([f'p90: {tenth} lines'] if tenth > 200 else [])


def large_packages(root: Path) -> list[str]:
    """Return packages with more than 20 modules or 2,500 lines. Subpackages count separately."""
    packages: dict[Path, list[int]] = defaultdict(list)
    for path, _ in modules(root):
        packages[Path(path).parent].append(lines(root / path))
    return [
        f'{package}: {len(sizes)} modules, {sum(sizes)} lines'
        for package, sizes in packages.items()
        if len(sizes) > 20 or sum(sizes) > 2500
    ]


def long_functions(root: Path) -> list[str]:
    """Return the functions with more than 50 lines, not counting docstrings.

    There are also two limits for all functions together: at least nine of ten functions must have
    at most 20 lines, and at least half of them at most 8. If such a limit is exceeded, the result
    contains a line with the statistic, such as `p90: 21 lines` or `median: 9 lines`, and no names.
    """
    sizes = {
        f'{path}: {function.name}': lines_of(function) - lines_of(docstring_of(function))
        for path, tree in modules(root)
        for function in functions(tree)
    }
    found = [f'{name}: {size} lines' for name, size in sizes.items() if size > 50]
    if len(sizes) > 1:
        tenth, half = quantiles(sizes.values(), n=10)[-1], median(sizes.values())
        found += [f'p90: {tenth} lines'] if tenth > 20 else []
        found += [f'median: {half} lines'] if half > 8 else []
    return found


def long_entrances(root: Path) -> list[str]:
    """Return the `__init__.py` files that are too long.

    `project/__init__.py` (the application factory) may have at most 40 lines, that of a feature 15.
    """
    project = root / 'project'
    limits = {project / '__init__.py': 40}
    limits |= {
        path / '__init__.py': 15
        for path in project.iterdir()
        if (path / '__init__.py').is_file() and path.name != 'core'
    }
    return [
        f'{path.relative_to(root)}: {lines(path)} lines'
        for path, limit in limits.items()
        if lines(path) > limit
    ]


def retired_words(root: Path) -> list[str]:
    """Return names with a word that `tests/retired_words.txt` forbids.

    Checks functions, classes, modules, columns and settings, in tests as well, so that tests use
    the same terms as the product. It skips the features of a team.
    """
    words, modules_only, exceptions = _retired()
    others = {path.name for path in (root / 'project').iterdir() if path.is_dir()}
    others -= {'core', *_features_without_retired_words()}
    found = []
    for folder in ('project', 'config', 'tests', 'benchmarks'):
        for path in sorted((root / folder).rglob('*.py')):
            place = str(path.relative_to(root))
            if others.intersection(path.relative_to(root).with_suffix('').parts[1:3]):
                continue
            found += [f'{place}: {word}' for word in _parts(path.stem) & (words | modules_only)]
            for name, line in _named(_parsed(path)):
                retired = _parts(name) & words
                if retired and name.lower() not in exceptions:
                    found.append(f'{place}:{line}: {name}: {", ".join(sorted(retired))}')
    return found


def linux_only_calls(root: Path) -> list[str]:
    """Return Linux-only system calls and paths in modules without a fallback."""
    found = []
    for path in sorted([*(root / 'project').rglob('*.py'), *(root / 'config').glob('*.py')]):
        place = str(path.relative_to(root))
        for node in nodes(_parsed(path)):
            named = [getattr(node, key, None) for key in ('attr', 'id', 'name', 'value')]
            names = {name for name in named if isinstance(name, str) and LINUX_ONLY.fullmatch(name)}
            found += [
                f'{place}: {name}: add a fallback, and a test without it'
                for name in names - LINUX_MODULES.get(place, set())
            ]
    return found


def swallowed_disk_errors(root: Path) -> list[str]:
    """Return calls of `Path.is_file` and its siblings in modules that use the storage.

    Since Python 3.14, these methods return False if the disk fails. `os.DirEntry` has methods of
    the same names that raise the error. A variable with such an object is named `entry`.
    """
    return [
        f'{place}:{call.lineno}: {name}: use find_status, is_file or is_folder of core.storage'
        for place, tree in modules(root)
        if place.startswith('project/core/storage/') or _imports(tree, 'project.core.storage')
        for call in calls(tree)
        if isinstance(call.func, ast.Attribute) and not call.args
        # The method `exists` of a select follows a call.
        if not isinstance(call.func.value, ast.Call)
        if (name := ast.unparse(call.func)).rpartition('.')[2] in SWALLOWING
        if not name.startswith('entry.')
    ]


def _imports(tree: ast.Module, package: str) -> bool:
    found = {node.module for node in nodes(tree) if isinstance(node, ast.ImportFrom)}
    return any(f'{module}.'.startswith(f'{package}.') for module in found)


CHECKS = (
    swallowed_disk_errors,
    linux_only_calls,
    services_that_know_requests,
    modules_without_a_word,
    handlers_without_a_word,
    routes_that_catch,
    slow_in_atomic,
    uses_of_unscoped_permissions,
    unknown_settings,
    unknown_template_variables,
    vague_names,
    long_files,
    large_packages,
    long_functions,
    long_entrances,
    retired_words,
)


def modules(root: Path) -> Iterator[tuple[str, ast.Module]]:
    """Yield the relative path and the syntax tree of every module of the project."""
    for path in sorted((root / 'project').rglob('*.py')):
        yield str(path.relative_to(root)), _parsed(path)


def _parsed(path: Path) -> ast.Module:
    return parse(path.read_text(encoding='utf-8'))


@cache
def parse(code: str) -> ast.Module:
    """Return the syntax tree of a module. Cached, because all checks read the same files."""
    return ast.parse(code)


def nodes(tree: ast.AST) -> Iterable[ast.AST]:
    """Return a node and all nodes below it."""
    return _nodes_of_module(tree) if isinstance(tree, ast.Module) else ast.walk(tree)


@cache
def _nodes_of_module(tree: ast.Module) -> tuple[ast.AST, ...]:
    """Return all nodes of a module; cached, because every check reads the same modules."""
    return tuple(ast.walk(tree))


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef]:
    """Yield every function definition, including methods and nested functions."""
    yield from (node for node in nodes(tree) if isinstance(node, ast.FunctionDef))


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    """Yield every function call."""
    yield from (node for node in nodes(tree) if isinstance(node, ast.Call))


def is_decorated(function: ast.FunctionDef, name: str) -> bool:
    """Return whether a function has the decorator `@name` or `@name(…)`."""
    return any(
        isinstance(d, ast.Call) and ast.unparse(d.func) == name for d in function.decorator_list
    )


def is_atomic_function(node: ast.AST) -> bool:
    """Return whether a decorator of this function makes it run in a transaction."""
    return isinstance(node, ast.FunctionDef) and (
        is_decorated(node, 'atomic') or is_decorated(node, 'locks_user')
    )


def is_atomic_block(node: ast.AST) -> bool:
    """Return whether this is a block `with atomic()`, which is a transaction."""
    return isinstance(node, ast.With) and any(
        ast.unparse(item.context_expr).startswith('atomic(') for item in node.items
    )


def docstring_of(function: ast.FunctionDef) -> ast.stmt | None:
    """Return the syntax node of a function's docstring, or None."""
    return function.body[0] if ast.get_docstring(function) else None


def lines_of(node: ast.stmt | None) -> int:
    """Count the lines of a statement."""
    return (node.end_lineno or 0) - node.lineno + 1 if node else 0


def lines(path: Path) -> int:
    """Count the lines of a file."""
    return len(path.read_text(encoding='utf-8').splitlines())


def _retired() -> tuple[set[str], set[str], set[str]]:
    """Return the words forbidden in all names, those only in names of modules, and exceptions.

    The exceptions are complete names, which are allowed although they contain a forbidden word.
    """
    words, modules_only, exceptions = set(), set(), set()
    for line in RETIRED_WORDS.read_text(encoding='utf-8').splitlines():
        retired, _, names = line.partition('except:')
        if retired.startswith('module:'):
            modules_only |= set(retired.removeprefix('module:').split())
        elif not retired.startswith(('#', 'features:')):
            words |= set(retired.split())
            exceptions |= {name.lower() for name in names.split()}
    return words, modules_only, exceptions


def _features_without_retired_words() -> list[str]:
    """Return the features whose names must not contain a forbidden word."""
    [names] = re.findall('^features:(.+)$', RETIRED_WORDS.read_text(encoding='utf-8'), re.MULTILINE)
    return names.split()


def _parts(name: str) -> set[str]:
    """Return the words of a name, and each pair of neighbouring words.

    A forbidden term can consist of two words, such as `is_mac`.
    """
    words = [word.lower() for word in re.findall('[A-Z]+(?![a-z])|[A-Z]?[a-z]+', name)]
    return {*words, *(f'{one}_{other}' for one, other in pairwise(words))}


def _named(node: ast.Module | ast.ClassDef | ast.FunctionDef) -> Iterator[tuple[str, int]]:
    """Yield the name and line of functions, classes, constants, columns and settings."""
    for statement in node.body:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            yield statement.name, statement.lineno
            yield from _named(statement)
        elif not isinstance(node, ast.FunctionDef):
            targets = getattr(statement, 'targets', [getattr(statement, 'target', None)])
            yield from ((t.id, t.lineno) for t in targets if isinstance(t, ast.Name))
            yield from ((name, statement.lineno) for name in _in_database(statement))


def _in_database(statement: ast.stmt) -> Iterator[str]:
    """Yield the name of a table or column that a statement contains as a string."""
    value = getattr(statement, 'value', None)
    if isinstance(value, ast.Call) and ast.unparse(value.func) == 'mapped_column' and value.args:
        value = value.args[0]
    elif not any(
        getattr(t, 'id', '') == '__tablename__' for t in getattr(statement, 'targets', ())
    ):
        return
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        yield value.value
