"""The real thing: what it needs stands in the environment, or it does not start."""

from urllib.parse import urlsplit

from . import env
from .base import Config


class ProductionConfig(Config):
    """No default for anything that must not be guessed; `config.checks` says what that is."""

    STRICT = True
    PUBLIC_URL = env.text('PUBLIC_URL')
    MAIL_URL = env.text('MAIL_URL', f'file://{env.VAR}/mail')

    # Besides its own name it answers to this machine, which asks for its health.
    TRUSTED_HOSTS = env.words('TRUSTED_HOSTS') or [
        urlsplit(PUBLIC_URL).hostname or 'localhost',
        'localhost',
        '127.0.0.1',
    ]
