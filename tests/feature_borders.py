"""Checks that a feature uses only names of the core and of the features that it requires.

Each check is a function that reads the source of all features and returns the violations. Each
violation names the file, the line, the rule and the remedy. Ordinary imports are not checked here,
but by import-linter. Registered names are checked by the registries of the core at the start.
"""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from project.core.database.sql_tables import SQL_PATTERN, tables_in
from tests.feature_sources import Module, called, calls, features_of, nodes, texts
from tests.name_origins import origins_of

# These modules may import features by computed names.
IMPORT_FEATURES = ('project/core/features.py', 'project/core/documents/files.py')
# Only modules in this folder may open connections, and begin and end transactions.
DATABASE = 'project/core/database/'
SESSION = f'{DATABASE}session.py'
IMPORTERS = {'import_module', '__import__', 'find_spec', 'run_module', 'resolve_name'}
EXECUTORS = {'text', 'execute', 'exec_driver_sql'}
TRANSACTIONS = {'commit', 'rollback', 'begin_nested'}
SETTING_PATTERN = re.compile(r'[A-Z0-9]+_[A-Z0-9_]*')
TRANSACTION_SQL = re.compile(r'\s*(BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE)\b[\w\s;]*')
# A text such as `files.zip` is the name of a file, not of a column.
FILE_SUFFIXES = r'csv|html|jpg|json|log|md|pdf|png|txt|xml|zip'
MAIL_SENDERS = {'send_mail', 'render_mail'}


def imports_by_string(root: Path) -> list[str]:
    """No module imports a module of a feature by a string, or contains its name in a string."""
    features, found = features_of(root), []
    for module in features.modules():
        if module.path in IMPORT_FEATURES:
            continue
        for line, text in texts(module.tree):
            match = re.fullmatch(r'(?:project|tests|config\.features)\.(\w+)(?:[.:].*)?', text)
            owner = match[1] if match and match[1] in features.names else None
            if not features.may_use(module.package, owner):
                found.append(
                    f'{module.path}:{line}: names the module {text!r} in a string. Remedy: '
                    f'{features.remedy(module.package, owner)}, and use an import statement.'
                )
        found += [
            f'{module.path}:{call.lineno}: imports a module with a computed or relative name. '
            'Remedy: use an import statement.'
            for call in calls(module.tree)
            if called(call) in IMPORTERS and not _is_outside(call)
        ]
        found += [
            f'{module.path}:{call.lineno}: names the schema {call.args[0].value!r} in a string. '
            'Remedy: import the class.'
            for call in calls(module.tree)
            if called(call) == 'Nested' and call.args and isinstance(call.args[0], ast.Constant)
        ]
    return found


def imports_by_reexport(root: Path) -> list[str]:
    """No module imports a name that another feature only re-exports, if its origin is forbidden."""
    features, origins = features_of(root), origins_of(root)
    return [
        f'{module.path}:{use.line}: uses {use.name} of {use.origin} through {use.source}. '
        f'Remedy: {features.remedy(module.package, owner)}.'
        for module in features.modules()
        for use in origins.uses(module.file)
        if not features.may_use(module.package, owner := features.owner_of_module(use.origin))
        and use.origin != use.source
        and features.owner_of_module(use.source) != owner
    ]


def settings_of_others(root: Path) -> list[str]:
    """No module reads a setting of a feature that it does not require."""
    features, found = features_of(root), []
    for module in features.modules():
        for line, text in texts(module.tree):
            is_setting = SETTING_PATTERN.fullmatch(text) and text not in features.core_settings
            owner = features.owner(text.lower()) if is_setting else None
            if not features.may_use(module.package, owner):
                found.append(
                    f'{module.path}:{line}: reads the setting {text} of {owner!r}. '
                    f'Remedy: {features.remedy(module.package, owner)}.'
                )
        found += [
            f'{module.path}:{line}: computes the name of a setting. '
            'Remedy: write the name as a literal.'
            for line in _computed_settings(module)
        ]
    return found


def settings_without_prefix(root: Path) -> list[str]:
    """Settings of a feature are in `config/features/<name>.py`, not in `config/base.py`."""
    features = features_of(root)
    return [
        f'config/base.py:{line}: declares {name}, a setting of {owner!r}. '
        f'Remedy: declare it in config/features/{owner}.py.'
        for name, line in features.core_settings.items()
        if (owner := features.owner(name.lower())) and not name.startswith('AUTH_HASH_')
    ]


def names_of_others(root: Path) -> list[str]:
    """No string names a permission, endpoint, column, task or export file of others."""
    features, found = features_of(root), []
    patterns: tuple[tuple[str, str, Callable[[str], str | None]], ...] = (
        ('permission', r'(\w+):\w+', lambda name: features.permission_prefixes.get(name)),
        ('endpoint', r'(?:api_v\d+\.|\.\.)(\w+)(?:\.\w*)?', features.owner),
        ('column or task', rf'([a-z_0-9]+)\.(?!(?:{FILE_SUFFIXES})$)[a-z_0-9]+', features.owner),
        ('file of an export', r'([a-z_0-9]+)/[\w/]+\.\w+', features.owner),
    )
    for module in features.modules():
        for line, text in texts(module.tree):
            for kind, pattern, owner_of in patterns:
                match = re.fullmatch(pattern, text)
                owner = owner_of(match[1]) if match else None
                if not features.may_use(module.package, owner):
                    found.append(
                        f'{module.path}:{line}: names the {kind} {text!r} of {owner!r}. '
                        f'Remedy: {features.remedy(module.package, owner)}.'
                    )
    return found


def tables_of_others(root: Path) -> list[str]:
    """A module defines only tables of its feature. SQL in strings names only allowed tables."""
    features, found = features_of(root), []
    for module in features.modules():
        for line, name in _defined_tables(module.tree):
            if name != module.package and not name.startswith(f'{module.package}_'):
                found.append(
                    f'{module.path}:{line}: defines the table {name!r}. '
                    f'Remedy: begin its name with {module.package!r}.'
                )
        for line, text in texts(module.tree):
            for table in sorted(tables_in(text)) if SQL_PATTERN.fullmatch(text) else ():
                if not features.may_use(module.package, owner := features.owner(table)):
                    found.append(
                        f'{module.path}:{line}: contains SQL on {table}, a table of {owner!r}. '
                        f'Remedy: call a service function of {owner!r}.'
                    )
    return found


def mails_of_others(root: Path) -> list[str]:
    """A feature sends only mails whose templates are in a feature that it may use."""
    features = features_of(root)
    owners = {
        path.name: path.parts[-4]
        for path in (root / 'project').glob('*/templates/mail/*')
        if path.parts[-4] in features.names
    }
    return [
        f'{module.path}:{call.lineno}: sends the mail {name!r} of {owners[name]!r}. '
        f'Remedy: add project/{module.package}/templates/mail/, or call a service of that feature.'
        for module in features.modules()
        for call in calls(module.tree)
        if called(call) in MAIL_SENDERS and call.args
        for name in [getattr(call.args[0], 'value', None)]
        if name in owners and not features.may_use(module.package, owners[name])
    ]


def owners_by_string(root: Path) -> list[str]:
    """A module that registers a name passes itself as the owner: `owner=__name__`."""
    return [
        f'{module.path}:{keyword.value.lineno}: registers a name with '
        f'{keyword.arg}={ast.unparse(keyword.value)}. Remedy: pass {keyword.arg}=__name__.'
        for module in features_of(root).modules()
        if module.package != 'core'
        for call in calls(module.tree)
        if called(call).startswith('register_')
        for keyword in call.keywords
        if keyword.arg in ('owner', 'used_in') and ast.unparse(keyword.value) != '__name__'
    ]


def transactions_elsewhere(root: Path) -> list[str]:
    """Only the core opens connections, and only `session.py` ends transactions."""
    found = []
    for module in features_of(root).modules():
        if module.path == SESSION:
            continue
        executed = {
            getattr(call.args[0], 'value', None)
            for call in calls(module.tree)
            if called(call) in EXECUTORS and call.args
        }
        for node in nodes(module.tree):
            if isinstance(node, ast.Attribute) and (
                node.attr in TRANSACTIONS
                or (node.attr in ('engine', 'engines') and module.package != 'core')
            ):
                found.append((node.lineno, f'uses .{node.attr}', module))
        for line, text in () if module.path.startswith(DATABASE) else texts(module.tree):
            if TRANSACTION_SQL.fullmatch(text.upper() if text in executed else text):
                found.append((line, f'contains the SQL {text!r}', module))
    return [
        f'{module.path}:{line}: {what}. Remedy: put the statements into `with atomic():`.'
        for line, what, module in found
    ]


def factories_of_others(root: Path) -> list[str]:
    """The tests of a feature import only code of the features that it may use."""
    features, origins, found = features_of(root), origins_of(root), []
    for module in features.modules('tests'):
        used = [(use.line, use.origin) for use in origins.uses(module.file)]
        used += [
            (line, text)
            for line, text in texts(module.tree)
            if re.fullmatch(r'(project|tests)\.\w[\w.]*', text)
        ]
        for line, origin in used:
            owner = features.owner_of_module(origin)
            if not features.may_use(module.package, owner):
                found.append(
                    f'{module.path}:{line}: uses {origin} of {owner!r}. '
                    f'Remedy: {features.remedy(module.package, owner)} to tests/integration.'
                )
    return found


CHECKS = (
    imports_by_string,
    imports_by_reexport,
    settings_of_others,
    settings_without_prefix,
    names_of_others,
    tables_of_others,
    mails_of_others,
    owners_by_string,
    transactions_elsewhere,
    factories_of_others,
)


def _is_outside(call: ast.Call) -> bool:
    """Return whether a call imports a module outside the project by a literal name."""
    name = getattr(call.args[0], 'value', None) if call.args else None
    return isinstance(name, str) and not name.startswith(('project', '.'))


def _computed_settings(module: Module) -> Iterator[int]:
    """Yield the lines on which a feature reads a setting with a name that is not a literal."""
    if module.package == 'core':
        return
    for node in nodes(module.tree):
        if isinstance(node, ast.Subscript) and not isinstance(node.slice, ast.Constant):
            source = node.value
        elif isinstance(node, ast.Call) and not isinstance((*node.args, node)[0], ast.Constant):
            source = getattr(node.func, 'value', None)
        else:
            continue
        if getattr(source, 'attr', getattr(source, 'id', '')) == 'config':
            yield node.lineno


def _defined_tables(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the names of the tables that a module defines."""
    for node in nodes(tree):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == '__tablename__':
            value: ast.expr = node.value
        elif isinstance(node, ast.Call) and called(node) == 'Table' and node.args:
            value = node.args[0]
        else:
            continue
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            yield value.lineno, value.value
