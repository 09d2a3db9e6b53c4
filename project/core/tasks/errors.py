"""Errors that determine the outcome of an attempt."""


class PermanentFailure(Exception):
    """A failure that no retry can fix: the task becomes a dead letter, with this reason."""


class IncompatibleTask(Exception):
    """A task that this version of the service cannot run. An older or newer version may run it."""


class LeaseLost(Exception):
    """The lease is lost: another attempt has the task. Further effects would happen twice."""
