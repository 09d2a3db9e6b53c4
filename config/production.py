"""Production: the service does not start unless the environment supplies all required settings."""

from .base import Config
from .settings import with_default


class ProductionConfig(Config):
    """No default for anything that must not be guessed; `config.checks` names these settings."""

    STRICT = True
    PUBLIC_URL = with_default(Config, 'PUBLIC_URL', '')
