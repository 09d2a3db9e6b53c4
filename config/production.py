"""Production: the service starts only if the environment sets all required settings."""

from .base import Config
from .settings import with_default


class ProductionConfig(Config):
    """Settings of production. Required settings have no default; see `config.checks`."""

    STRICT = True
    PUBLIC_URL = with_default(Config, 'PUBLIC_URL', '')
