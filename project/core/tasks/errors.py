"""Exceptions with which a task determines the result of its attempt."""


class PermanentFailure(Exception):
    """A failure that no retry can fix: the task becomes a dead letter.

    The message is the reason.
    """


class IncompatibleTask(Exception):
    """A task that this version of the service cannot run. An older or newer version may run it."""


class LeaseLost(Exception):
    """This attempt no longer owns its task, because another attempt has begun.

    If the task continued, its effects would happen twice.
    """
