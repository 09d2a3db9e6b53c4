"""The application factory, which combines the core and the features."""

from flask import Flask


def create_app(config: object | str | None = None) -> Flask:
    """Create an application.

    :param config: a configuration class or its import path; by default `APP_ENV` selects it.
    :raises SystemExit: if the configuration has faults; the message names all of them in one line.
    """
    # Imported here: `flask secret-key` imports this package and needs none of these modules.
    from . import core
    from .api import add_feature_commands, api_v1, connect_receivers, find_authentication
    from .configuration import describe_settings, load_configuration
    from .core.documents.settings import DESCRIBE_SETTINGS

    app = Flask(__name__, static_folder=None, template_folder='core/templates')
    loaded = load_configuration(config)
    loaded.raise_faults()
    app.config.update(loaded.values)

    core.init_app(app, find_authentication())
    if loaded.warnings:
        app.logger.warning('Configuration: %s', '; '.join(loaded.warnings))
    DESCRIBE_SETTINGS.set(app, describe_settings)
    connect_receivers()
    app.register_blueprint(api_v1(), url_prefix='/api/v1')
    add_feature_commands(app)
    core.validate_routes(app)
    return app
