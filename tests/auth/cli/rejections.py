"""The error line of a command that failed."""


def rejection(result):
    """Return the error line of a command that failed; check that it is the only line."""
    assert result.exit_code != 0
    [line] = result.stderr.splitlines()
    return line
