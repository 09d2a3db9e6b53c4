"""Migrations: each feature has its own Alembic branch and folder, so teams do not share one head.

`folders` finds the migrations, `autogeneration` writes new ones, `running` runs them, and `checks`
finds unsafe ones. To judge a migration, `recording` runs it without a database, and `rules` judges
the recorded statements (docs/adr/0049). `sqlite_copies` keeps all properties of the tables that
SQLite copies, and `schema_differences` compares the tables with the models (docs/adr/0051).
"""

from . import sqlite_copies  # noqa: F401 - Alembic then uses its class
from .commands import init_app
from .folders import downgrade_feature, locate_versions, migrate, reject_known_revision
from .table_features import (
    existing_tables,
    features,
    is_foreign,
    is_kept,
    kept_features,
    tables,
    tables_of,
)

__all__ = [
    'downgrade_feature',
    'existing_tables',
    'features',
    'init_app',
    'is_foreign',
    'is_kept',
    'kept_features',
    'locate_versions',
    'migrate',
    'reject_known_revision',
    'tables',
    'tables_of',
]
