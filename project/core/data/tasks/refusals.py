"""How a task says that there is no use in trying again."""


class GiveUp(Exception):
    """No further attempt can succeed: the task is a dead letter at once, with this reason."""


class LeaseLost(Exception):
    """Somebody else has this task by now: whatever this attempt still does would be done twice."""
