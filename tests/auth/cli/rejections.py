"""The error line of a command that failed."""


def rejection(result):
    """Return the one line with which a command refused."""
    assert result.exit_code != 0
    [line] = result.stderr.splitlines()
    return line
