"""The application: a root factory over the kernel and the features."""

from flask import Flask


def create_app(config: object | str | None = None) -> Flask:
    """Build an application, or stop with one line that says what its configuration lacks.

    :param config: a configuration class or its import path; without one, `APP_ENV` names it.
    """
    # Imported here: `flask secret-key` imports this package, and needs nothing of all this.
    import config as configuration
    from config.checks import trusted_hosts, validate_config

    app = Flask(__name__, static_folder=None, template_folder='core/templates')
    app.config.from_object(config or configuration.config_for())
    app.config.from_envvar('APP_CONFIG_FILE', silent=True)
    validate_config(app.config)
    app.config.update(TRUSTED_HOSTS=trusted_hosts(app.config))

    # Imported after the check, which fails in a quarter of the time that these take.
    from . import core
    from .api import api_v1, clis
    from .auth.service import identify, reload_principal
    from .users.service import lock_users

    core.init_app(app, identify, reload_principal, lock_users)
    app.register_blueprint(api_v1(), url_prefix='/api/v1')
    for cli in clis:
        app.cli.add_command(cli)
    core.validate_routes(app)
    return app
