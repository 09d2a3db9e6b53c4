"""How a task says that there is no use in trying again."""


class PermanentFailure(Exception):
    """No further attempt can succeed: the task is a dead letter at once, with this reason."""


class IncompatibleTask(Exception):
    """This version of the service cannot run the task; another one, before or after it, may."""


class LeaseLost(Exception):
    """Somebody else has this task by now: whatever this attempt still does would be done twice."""
