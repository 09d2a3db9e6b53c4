"""Version 1 of the API: all features, mounted below `/api/v1`.

A feature is a package below `project`; `core.features` finds it. It has the module `config_checks`
if its settings need checks, the function `connect_receivers` if it receives signals of other
features, and `authentication` if it identifies the callers of all routes.
"""

from flask import Blueprint

from .core.features import FeatureInvalid, find_features
from .core.security.authentication import Authentication
from .core.web.openapi.docs_page import docs

PACKAGES = {feature.name: feature.package for feature in find_features()}

config_checks = [c for p in PACKAGES.values() if (c := getattr(p, 'config_checks', None))]

clis = [cli for package in PACKAGES.values() for cli in package.clis]


def find_authentication() -> Authentication | None:
    """Return the functions of the feature that identifies callers, or None without such a feature.

    :raises FeatureInvalid: if several features export `authentication`.
    """
    found = {
        name: exported
        for name, package in PACKAGES.items()
        if (exported := getattr(package, 'authentication', None))
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


def api_v1() -> Blueprint:
    """Return a new blueprint of version 1. Each application needs its own blueprint object."""
    api = Blueprint('api_v1', __name__)
    for blueprint in (*(package.blueprint for package in PACKAGES.values()), docs):
        api.register_blueprint(blueprint)
    return api
