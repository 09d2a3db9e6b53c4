"""Configuration: one class per environment, chosen by `APP_ENV`."""

import os
from pathlib import Path

from dotenv import load_dotenv

# Load the file here, because gunicorn and `flask` both import this package. Environment variables
# that are set already take precedence over the file.
load_dotenv(Path(__file__).resolve().parent.parent / '.env')

ENVIRONMENTS = {
    'development': 'config.development.DevelopmentConfig',
    'testing': 'config.testing.TestingConfig',
    'staging': 'config.staging.StagingConfig',
    'production': 'config.production.ProductionConfig',
}


def set_umask() -> None:
    """Deny other OS users access to the files that this process creates.

    With `UMASK=027`, other users of the same group can read the files. A proxy that sends files
    needs this, because it runs as another user.
    """
    # Imported here: `flask secret-key` imports this package and needs no configuration.
    from .loading import load_config

    os.umask(int(load_config().values['UMASK'], base=8))


def config_for(environment: str | None = None) -> str:
    """Return the import path of the configuration class of an environment.

    The result is a path and not a class, so that only the module of this environment is imported.
    So production can require variables that development does not need. Without `APP_ENV`, the
    environment is production, the strictest one.

    :param environment: the name; by default `APP_ENV`.
    :raises SystemExit: with one line, if the environment is unknown.
    """
    environment = environment or os.environ.get('APP_ENV') or 'production'
    if environment not in ENVIRONMENTS:
        known = ', '.join(ENVIRONMENTS)
        raise SystemExit(f'APP_ENV is {environment!r}; it must be one of {known}.')
    return ENVIRONMENTS[environment]
