"""Checks of the tables: each belongs to a feature, and refers only to tables it may refer to.

A table may refer to tables of its feature, of the features that this one requires, and of the core.
"""

from collections.abc import Iterable

from sqlalchemy import MetaData
from sqlalchemy.orm import Mapper

from project.core.features import find_features
from project.core.registration import (
    RegistrationError,
    Registry,
    feature_of,
    is_in_project,
    owner_of_name,
    require_prefix,
)


def validate_tables(metadata: MetaData, mappers: Iterable[Mapper[object]]) -> None:
    """Check the names and the foreign keys of all tables.

    Tables of modules outside `project` are not checked.

    :raises RegistrationError: if the name of a table does not begin with the name of its feature,
        two features have models of the same table, or a foreign key refers to a table of a feature
        that is not required. The message names the two modules.
    """
    owners = table_owners(metadata, mappers)
    required = {feature.name: feature.requires for feature in find_features()}
    for name, owner in owners.items():
        if not is_in_project(owner):
            continue
        require_prefix('table', name, owner=owner)
        allowed = (feature_of(owner), *required.get(feature_of(owner), ()), 'core')
        for key in metadata.tables[name].foreign_keys:
            other = owners.get(key.target_fullname.rpartition('.')[0], owner)
            if is_in_project(other) and feature_of(other) not in allowed:
                raise RegistrationError(
                    f'foreign key {name}.{key.parent.name} of {owner} refers to '
                    f'{key.target_fullname} of {other}: add {feature_of(other)!r} to requires in '
                    f'project/{feature_of(owner)}/__init__.py, or store the id without a key'
                )


def table_owners(metadata: MetaData, mappers: Iterable[Mapper[object]]) -> dict[str, str]:
    """Return the module that owns each table: the module of its model.

    A table without a model belongs to the feature (or the core) with whose name it begins.

    :raises RegistrationError: if two features have models of the same table.
    """
    models: Registry[None] = Registry('table')
    for mapper in sorted(mappers, key=lambda mapper: mapper.class_.__module__):
        name, module = str(mapper.local_table), mapper.class_.__module__
        is_known = name in models.values
        # Several classes of a feature may share a table.
        if not is_known or feature_of(models.owner_of(name)) != feature_of(module):
            models.register(name, None, owner=module)
    known = {name: models.owner_of(name) for name in models.values}
    packages = ('core', *(feature.name for feature in find_features()))
    for name in metadata.tables:
        if name not in known:
            owner = owner_of_name(name, packages)
            if owner is None:
                raise RegistrationError(
                    f'table {name!r} must begin with the name of its feature: no feature has it'
                )
            known[name] = f'project.{owner}'
    return known
