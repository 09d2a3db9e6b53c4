"""Version 1 of the API: the list of its features.

A feature is a package with a `blueprint` and `clis`. It has `config_checks` if its settings need
checks, and `connect_receivers` if it receives signals of other features. To add a feature, name it
here. To remove it, delete its name here and its folder.
"""

from flask import Blueprint

from . import auth, files, users
from .core.web.openapi.docs_page import docs

FEATURES = (users, auth, files)

config_checks = [f.config_checks for f in FEATURES if hasattr(f, 'config_checks')]

clis = [cli for feature in FEATURES for cli in feature.clis]


def connect_receivers() -> None:
    """Connect the receivers of all features to the signals of other features."""
    for feature in FEATURES:
        if connect := getattr(feature, 'connect_receivers', None):
            connect()


def api_v1() -> Blueprint:
    """Return a new blueprint of version 1; each application needs its own."""
    api = Blueprint('api_v1', __name__)
    for blueprint in (*(feature.blueprint for feature in FEATURES), docs):
        api.register_blueprint(blueprint)
    return api
