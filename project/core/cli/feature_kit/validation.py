"""Checks of the names and fields of a new model, before any file is written."""

import builtins
import keyword
import re
from collections.abc import Iterable, Mapping, Sequence
from inspect import signature
from pathlib import Path
from typing import Any

import click
from flask import current_app
from marshmallow import Schema

from project.core.database.session import Base
from project.core.features import find_features
from project.core.security.permissions import registered_permissions

from .adaptation import Reference
from .fields import Field
from .merging import Module
from .rendering import Model
from .repository import ROOT, TEMPLATE
from .words import MAX_NAME_CHARACTERS, PASCAL, SNAKE, Words, snake_of

# Names that the generated code uses as columns, arguments or parameters of a list.
RESERVED_FIELDS = {
    'id', 'owner', 'owner_id', 'version', 'created_at', 'updated_at',
    'limit', 'cursor', 'sort', 'rows', 'request', 'statement', 'filtered', 'find_owned', 'self',
}  # fmt: skip
# Environment variables that are not keys of the configuration.
OTHER_VARIABLES = (
    'APP_ENV', 'AWS_REGION', 'DATABASE_URL', 'FLASK_APP', 'HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY',
)  # fmt: skip

# The limit of PostgreSQL.
MAX_IDENTIFIER_CHARACTERS = 63

RESERVED_MEMBERS = {'mro', 'name', 'value'}
# Functions that contain statements for each model.
MERGED_FUNCTIONS = {'erase_rows', 'export_rows'}
IMPORTED = re.compile(
    r'^(?:from .+ )?import (?:\(\n(?P<several>[^)]+)\)|(?P<names>.+))$', re.MULTILINE
)
ALIAS = re.compile(r'(?:\w+ as )?(\w+)')


def check_feature_name(name: str) -> None:
    """Ensure that a new feature can have this name.

    :raises UsageError: if the name is malformed or already used.
    """
    fault = _fault_of_word(name) or _fault_of_length(name) or _fault_of_feature(name)
    if fault:
        raise click.UsageError(f'Feature {name!r}: {fault}.')


def check_model_names(name: str, plural: str) -> None:
    """Ensure that a new model can have this name and plural.

    :param name: the name of the class.
    :param plural: the plural in snake case.
    :raises UsageError: if the name or the plural is malformed or already used.
    """
    if not PASCAL.fullmatch(name):
        raise click.UsageError(f'Model {name!r}: the name must be in PascalCase, such as RareBook.')
    snake = snake_of(name)
    if (accepted := Words(snake).pascal) != name:
        raise click.UsageError(f'Model {name!r}: write acronyms as words: {accepted}.')
    fault = _fault_of_word(snake) or _fault_of_word(plural) or _fault_of_length(plural)
    if snake == plural:
        fault = 'the plural must differ from the name: give it with --plural'
    elif name in {mapper.class_.__name__ for mapper in Base.registry.mappers}:
        fault = 'another model has this name'
    elif {name, snake, plural} & _imported_names():
        fault = 'the generated code imports this name'
    if fault:
        raise click.UsageError(f'Model {name!r}: {fault}.')


def check_field_names(fields: Iterable[Field], model: str) -> None:
    """Ensure that the names of fields, and the values of `enum` fields, are not reserved.

    :param model: the name of the model in snake case. A field cannot have the same name, because
        the generated services use it as a variable.
    :raises UsageError: if a name is reserved.
    """
    reserved = (
        {model} | RESERVED_FIELDS | _imported_names() | {*dir(Schema), *dir(Base), *dir(tuple)}
    )
    for field in fields:
        values = field.arguments if field.kind == 'enum' else ()
        fault = next(filter(None, map(_fault_of_word, (field.name, *values))), None)
        if reserved & {field.name, field.column}:
            fault = 'the generated code uses this name'
        if RESERVED_MEMBERS & set(values):
            fault = f'an enumeration cannot contain {" or ".join(sorted(RESERVED_MEMBERS))}'
        if fault:
            raise click.UsageError(f'Field {field.name!r}: {fault}.')


def check_constraints(model: Model) -> None:
    """Ensure that the names of the indexes and constraints are not too long for PostgreSQL.

    :raises UsageError: if a name has more than `MAX_IDENTIFIER_CHARACTERS`.
    """
    names = [f'ix_{model.table}_owner_id_created_at_id']
    for field in model.fields:
        if field.is_unique:
            names.append(f'uq_{model.table}_owner_id_{field.column}')
        if field.kind == 'ref':
            target = model.references[field.arguments[0]].table
            names.append(f'fk_{model.table}_{field.column}_{target}')
    longest = max(names, key=len)
    if len(longest) > MAX_IDENTIFIER_CHARACTERS:
        raise click.UsageError(
            f'The name {longest} in the database is longer than {MAX_IDENTIFIER_CHARACTERS} '
            'characters: choose shorter names.'
        )


def check_definitions(files: Mapping[Path, str], model: Model) -> None:
    """Ensure that the modules of a feature define each function and class once.

    :param files: the generated files by path.
    :raises UsageError: if a field makes a name that another line or module defines already.
    """
    project = Path('project', model.feature.snake)
    existing = [path.read_text(encoding='utf-8') for path in (ROOT / project).rglob('*.py')]
    known = {name for text in existing for name in Module(text).defined()}
    generated = [
        text
        for path, text in files.items()
        if path.suffix == '.py' and (path.is_relative_to(project) or path.stem == 'factories')
    ]
    for name in (name for text in generated for name in Module(text).defined()):
        if name in known and name not in MERGED_FUNCTIONS:
            named = [f for f in model.fields if f.words.pascal in name or f.name in name]
            subject = f'Field {named[0].name!r}' if named else f'Model {model.name.pascal!r}'
            raise click.UsageError(f'{subject}: the generated code defines {name} already.')
        known.add(name)


def check_new_files(paths: Iterable[Path], topic: Words) -> None:
    """Ensure that the files of a new model can be added to a feature.

    :param paths: the paths of all files to write.
    :param topic: the plural of the model, by which its modules are named.
    :raises UsageError: if a module of this name exists already. Also if the feature has, for
        example, a module `models.py` instead of a package `models/` for several modules.
    """
    for path in paths:
        if path.stem in (topic.snake, f'test_{topic.snake}') and (ROOT / path).exists():
            raise click.UsageError(f'{path} exists already.')
        package = path.parent
        if (ROOT / package.parent / f'{package.name}.py').exists():
            raise click.UsageError(
                f'{package}.py is a module: make it the package {package}, with a module for each '
                'topic, and call this command again.'
            )


def find_reference(field: Field, feature: str) -> Reference:
    """Return the table to which a field of type `ref` refers.

    The argument of `ref` is the name of a table, or of a feature with a table to refer to.

    :param feature: the feature to which the field belongs.
    :raises UsageError: if there is no such table with a service function `find_…`, or the feature
        has several of them.
    """
    [target] = field.arguments
    mappers = {str(mapper.local_table): mapper for mapper in Base.registry.mappers}
    owners = {name: mapper.class_.__module__.split('.')[1] for name, mapper in mappers.items()}
    wanted = [name for name, owner in owners.items() if target in (name, owner)]
    found = [_reference(owners[name], mappers[name], feature) for name in sorted(wanted)]
    usable = [each for each in found if each is not None]
    main = [each for each in usable if each.table == target] or usable
    if len(main) == 1:
        return main[0]
    if not wanted:
        known = ', '.join(feature.name for feature in find_features())
        reason = f'there is no feature or table {target!r}; the features are {known}'
    elif not main:
        reason = f'{target} has no table to refer to: a service function find_… with an id'
    else:
        reason = f'{target} has several tables; choose {", ".join(each.table for each in main)}'
    raise click.UsageError(f'Field {field.name!r}: {reason}.')


def _reference(owner: str, mapper: Any, feature: str) -> Reference | None:
    """Return a table as a target of references; None if it has no service function `find_…`."""
    key, singular = mapper.primary_key, snake_of(mapper.class_.__name__)
    packages = {each.name: each.package for each in find_features()}
    service = getattr(packages.get(owner), 'service', None)
    find = getattr(service, f'find_{singular}', None)
    if find is None or len(key) != 1 or key[0].name != 'id':
        return None
    parameters = list(signature(find).parameters)
    if parameters not in ([f'{singular}_id'], ['owner_id', f'{singular}_id']):
        return None
    has_uuid = key[0].type.python_type is not int
    own_module = find.__module__.split('.')[-1] if owner == feature else None
    table, is_owned = str(mapper.local_table), len(parameters) == 2
    return Reference(owner, table, singular, has_uuid, is_owned, own_module)


def _fault_of_word(name: str) -> str | None:
    if not SNAKE.fullmatch(name):
        return 'the name must be in snake_case, such as rare_books'
    if keyword.iskeyword(name) or (keyword.issoftkeyword(name) and name != 'type'):
        return 'the name is a keyword of Python'
    if name in {'book_club', 'rare_book', 'rare_books'}:
        return 'the template of generated features has this name'
    return None


def _fault_of_length(name: str) -> str | None:
    is_long = len(name) > MAX_NAME_CHARACTERS
    return f'{name!r} is longer than {MAX_NAME_CHARACTERS} characters' if is_long else None


def _fault_of_feature(name: str) -> str | None:
    if (ROOT / 'project' / name).exists() or (ROOT / 'project' / f'{name}.py').exists():
        return f'project/{name} exists already'
    for folder in ('tests', 'migrations/versions'):
        if (ROOT / folder / name).exists():
            return f'{folder}/{name} exists already: delete it first'
    if name in {'service', 'features', *dir(builtins)}:
        return 'the code uses this name for something else'
    kebab = Words(name).kebab
    if kebab in current_app.cli.commands:
        return f'the command `flask {kebab}` exists already'
    if any(f'{rule}/'.startswith(f'/api/v1/{kebab}/') for rule in current_app.url_map.iter_rules()):
        return f'routes below /api/v1/{kebab} exist already'
    return _fault_of_prefix(name)


def _fault_of_prefix(name: str) -> str | None:
    """Return the reason if names of other features or of the core begin with the same prefix."""
    # `use` is a usual name, and no feature has a setting like this one of Flask.
    settings = {*OTHER_VARIABLES, *current_app.config} - {'USE_X_SENDFILE'}
    for kind, used, separator in (
        ('setting', settings, '_'),
        ('table', {f'{table}_' for table in Base.metadata.tables}, '_'),
        ('permission', set(registered_permissions()), ':'),
    ):
        wanted = f'{name.upper() if kind == "setting" else name}{separator}'
        if found := sorted(each for each in used if each.startswith(wanted)):
            return f'the {kind} {found[0].rstrip("_")} has this prefix already'
    return None


def _imported_names() -> set[str]:
    """Return the names that the template imports, except those that it defines itself.

    A model or field with such a name would hide the imported name in the generated code.
    """
    found: set[str] = set()
    for path in sorted((TEMPLATE / 'project').rglob('*.py')):
        for match in IMPORTED.finditer(path.read_text(encoding='utf-8')):
            names = (match['several'] or match['names']).replace('\n', ' ').split(',')
            found |= {alias[1] for name in names if (alias := ALIAS.match(name.strip()))}
    return {name for name in found if not re.match('RareBook|RARE_BOOK|rare_book|book_club', name)}


def required_features(
    feature: str, names: Sequence[str], references: Iterable[Reference]
) -> list[str]:
    """Return the features that a feature requires: `users`, the named and the referenced ones.

    These are `users`, the given `names`, and the features to which its fields refer.

    :raises UsageError: if one of the given names is not a feature.
    """
    known = [feature.name for feature in find_features()]
    for name in names:
        if name not in known:
            raise click.UsageError(f'There is no feature {name!r}; choose {", ".join(known)}.')
    referenced = {each.feature for each in references if not each.own_module}
    wanted = {'users', *names, *referenced} - {feature}
    return [name for name in known if name in wanted]
