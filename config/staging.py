"""Staging: the checks of production, with public API documentation."""

from .production import ProductionConfig
from .settings import with_default


class StagingConfig(ProductionConfig):
    """Settings of production, so that a configuration that works in staging works there, too."""

    API_DOCS = with_default(ProductionConfig, 'API_DOCS', 'public')
