"""Support of development: deletion and seed of the database, other git branches, timing."""


class DevelopmentError(Exception):
    """Base class of errors that the developer can repair. The message is one line."""
