"""`flask feature`: creates, lists, checks and removes features. For developers only."""

from .commands import feature_cli

__all__ = ['feature_cli']
