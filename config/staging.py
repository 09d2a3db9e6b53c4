"""Staging: production's checks, with the documentation open."""

from .production import ProductionConfig
from .settings import with_default


class StagingConfig(ProductionConfig):
    """As production, so that what starts here starts there."""

    API_DOCS = with_default(ProductionConfig, 'API_DOCS', 'public')
