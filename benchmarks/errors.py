"""Why a run cannot go on."""


class Failed(RuntimeError):
    """Something did not start or did not answer as it should, so nothing may be measured."""
