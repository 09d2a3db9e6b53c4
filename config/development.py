"""A laptop: everything has a working default, and nothing leaves the machine."""

from . import env
from .base import Config


class DevelopmentConfig(Config):
    """SQLite, files and mails under `var/`; logs to read."""

    SECRET_KEY = env.text('SECRET_KEY', 'development-only-never-use-this-one')
    SQLALCHEMY_DATABASE_URI = env.database_url('sqlite:///var/development.sqlite')
    LOG_FORMAT = 'readable'
    API_DOCS = env.choice('API_DOCS', 'public', ('public', 'authenticated', 'off'))
