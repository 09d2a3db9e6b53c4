"""Error that stops a run."""


class Failed(RuntimeError):
    """A process did not start or returned a wrong response, so a measurement would be invalid."""
