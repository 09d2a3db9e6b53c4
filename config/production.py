"""The real thing: what it needs stands in the environment, or it does not start."""

from . import env
from .base import Config


class ProductionConfig(Config):
    """No default for anything that must not be guessed; `config.checks` says what that is."""

    STRICT = True
    PUBLIC_URL = env.text('PUBLIC_URL')
    MAIL_URL = env.text('MAIL_URL', f'file://{env.VAR}/mail')
