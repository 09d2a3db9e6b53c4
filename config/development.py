"""Development: all settings have working defaults, and no data leaves the machine."""

from .base import Config
from .settings import with_default


class DevelopmentConfig(Config):
    """Settings for development: SQLite, blobs and mails in `var/`, and readable logs."""

    DEVELOPMENT = True
    SECRET_KEY = with_default(Config, 'SECRET_KEY', 'development-only-never-use-this-one')
    SQLALCHEMY_DATABASE_URI = with_default(
        Config, 'SQLALCHEMY_DATABASE_URI', 'sqlite:///var/development.sqlite'
    )
    LOG_FORMAT = 'readable'
    API_DOCS = with_default(Config, 'API_DOCS', 'public')
