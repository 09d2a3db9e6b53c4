"""Version 1 of the API: all features, mounted below `/api/v1`.

A feature is a package below `project`, which `core.features` finds. It may export three further
names: the module `config_checks` checks its settings, the function `connect_receivers` connects it
to the signals of other features, and `authentication` identifies the callers of all routes.
"""

from flask import Blueprint, Flask

from .core.checks import ConfigCheck, register_check
from .core.cli.feature_commands import add_commands
from .core.features import FeatureInvalid, find_features
from .core.registration import Registry
from .core.security.authentication import Authentication
from .core.web.openapi.docs_page import docs

PACKAGES = {feature.name: feature.package for feature in find_features()}

for _name, _package in PACKAGES.items():
    if _checks := getattr(_package, 'config_checks', None):
        register_check(
            f'{_name}_configuration',
            ConfigCheck(find_faults=_checks.find_faults, find_warnings=_checks.find_warnings),
            owner=_checks.__name__,
        )


def find_authentication() -> Authentication | None:
    """Return the functions of the feature that identifies callers, or None without such a feature.

    :raises FeatureInvalid: if several features export `authentication`.
    """
    found = {
        name: exported
        for name, package in PACKAGES.items()
        # A module of that name is an attribute of the package, too.
        if isinstance(exported := getattr(package, 'authentication', None), Authentication)
    }
    if len(found) > 1:
        names = ', '.join(sorted(found))
        raise FeatureInvalid(f'only one feature may export authentication: {names}')
    return next(iter(found.values()), None)


def connect_receivers() -> None:
    """Connect the receivers of all features to the signals of other features."""
    for package in PACKAGES.values():
        if connect := getattr(package, 'connect_receivers', None):
            connect()


def add_feature_commands(app: Flask) -> None:
    """Add the commands of all features to `flask`.

    :raises RegistrationError: if a command belongs to another feature; names both packages.
    """
    add_commands(app, {f'project.{name}': package.clis for name, package in PACKAGES.items()})


def api_v1() -> Blueprint:
    """Return a new blueprint of version 1. Each application needs its own blueprint object.

    :raises RegistrationError: if the blueprint of a feature has the name or the URL prefix of
        another feature; names both packages.
    """
    api = Blueprint('api_v1', __name__)
    names: Registry[Blueprint] = Registry('blueprint', has_prefix=True)
    prefixes: Registry[Blueprint] = Registry('URL prefix', has_prefix=True)
    for name, package in PACKAGES.items():
        blueprint, owner = package.blueprint, f'project.{name}'
        names.register(blueprint.name, blueprint, owner=owner)
        first_segment = f'{blueprint.url_prefix or ""}/'.split('/')[1]
        prefixes.register(f'/{first_segment}', blueprint, owner=owner)
        api.register_blueprint(blueprint)
    api.register_blueprint(docs)
    return api
