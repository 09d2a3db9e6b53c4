"""The dialog of the scenarios in Python with `scenario.py`. Imports only the standard library."""

import sys

CONTENT = b'Note A to the analytical engine'
PASSWORD = 'Analytical engine, 1843'


def done(step: str) -> None:
    """Print the name of a completed step."""
    sys.stdout.write(f'{step}\n')
    sys.stdout.flush()


def mailed_pin(email: str) -> str:
    """Return the PIN that the service has mailed to an email address."""
    sys.stdout.write(f'pin {email}\n')
    sys.stdout.flush()
    return sys.stdin.readline().strip()
