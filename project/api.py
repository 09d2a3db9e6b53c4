"""Version 1 of the API: the features, and nothing else.

A feature is a package with a `blueprint` and `clis`, and with `config_checks` if values of its
settings must be checked. Naming it here mounts both; removing its name here, and its folder,
removes all of it.
"""

from flask import Blueprint

from . import auth, files, users
from .core.web.openapi.docs_page import docs

FEATURES = (users, auth, files)

config_checks = [f.config_checks for f in FEATURES if hasattr(f, 'config_checks')]

clis = [cli for feature in FEATURES for cli in feature.clis]


def api_v1() -> Blueprint:
    """Return a fresh blueprint of version 1, so that every application has its own."""
    api = Blueprint('api_v1', __name__)
    for blueprint in (*(feature.blueprint for feature in FEATURES), docs):
        api.register_blueprint(blueprint)
    return api
