"""Production's twin: the same refusals, with the documentation open."""

from . import env
from .production import ProductionConfig


class StagingConfig(ProductionConfig):
    """As production, so that what starts here starts there."""

    API_DOCS = env.choice('API_DOCS', 'public', ('public', 'authenticated', 'off'))
