"""Configuration: one class per environment, chosen by `APP_ENV`."""

import os
from pathlib import Path

from dotenv import load_dotenv

# For gunicorn as for the `flask` command; what the environment says already stands.
load_dotenv(Path(__file__).resolve().parent.parent / '.env')

ENVIRONMENTS = {
    'development': 'config.development.DevelopmentConfig',
    'testing': 'config.testing.TestingConfig',
    'staging': 'config.staging.StagingConfig',
    'production': 'config.production.ProductionConfig',
}


def set_umask() -> None:
    """Keep other users from the files that this process creates: database, mails, stored bytes.

    `UMASK=027` lets the group read them, for a proxy that sends files and runs as another user.
    """
    from .base import Config

    os.umask(int(Config.UMASK, base=8))


def config_for(environment: str | None = None) -> str:
    """Return the import path of an environment's class, or stop with one line if there is none.

    A path and not a class, so that only the chosen module is imported: production may insist on
    its variables without asking a laptop for them. Unset means production, the safe mistake.
    """
    environment = environment or os.environ.get('APP_ENV') or 'production'
    if environment not in ENVIRONMENTS:
        known = ', '.join(ENVIRONMENTS)
        raise SystemExit(f'APP_ENV is {environment!r}; it must be one of {known}.')
    return ENVIRONMENTS[environment]
