"""The error message of a failed command."""


def rejection(result):
    """Return the only line on stderr; check that the command failed."""
    assert result.exit_code != 0
    [line] = result.stderr.splitlines()
    return line
