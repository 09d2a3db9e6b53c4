"""Configuration: one class per environment, chosen by `APP_ENV`."""

import os
from pathlib import Path

from dotenv import load_dotenv

# For gunicorn and `flask`. Existing environment variables take precedence over the file.
load_dotenv(Path(__file__).resolve().parent.parent / '.env')

ENVIRONMENTS = {
    'development': 'config.development.DevelopmentConfig',
    'testing': 'config.testing.TestingConfig',
    'staging': 'config.staging.StagingConfig',
    'production': 'config.production.ProductionConfig',
}


def set_umask() -> None:
    """Deny other OS users access to the files that this process creates.

    With `UMASK=027`, the group can read them: a proxy that sends files runs as another user.
    """
    from .base import Config

    os.umask(int(Config.UMASK, base=8))


def config_for(environment: str | None = None) -> str:
    """Return the import path of the class of an environment.

    A path and not a class, so that only the chosen module is imported: production can require
    variables that development does not need. The default is production, the safest environment.

    :param environment: the name; by default `APP_ENV`.
    :raises SystemExit: with one line, if the environment is unknown.
    """
    environment = environment or os.environ.get('APP_ENV') or 'production'
    if environment not in ENVIRONMENTS:
        known = ', '.join(ENVIRONMENTS)
        raise SystemExit(f'APP_ENV is {environment!r}; it must be one of {known}.')
    return ENVIRONMENTS[environment]
