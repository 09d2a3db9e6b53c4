"""Staging: the checks of production, with public API documentation."""

from .production import ProductionConfig
from .settings import with_default


class StagingConfig(ProductionConfig):
    """Settings of production: a configuration that works in staging also works in production."""

    API_DOCS = with_default(ProductionConfig, 'API_DOCS', 'public')
