"""Start of gunicorn, after a check of the variable `WEB_CONCURRENCY`.

gunicorn parses this variable when it is imported, before it reads our configuration. If the value
is not a number, gunicorn prints a traceback. So the image and the `Procfile` start gunicorn by this
command, which prints one line instead:

    python -m config.start gunicorn -c config/gunicorn.py 'wsgi:create_app()'
"""

import os
import sys

from .base import Config


def start(command: list[str]) -> None:
    """Replace this process by a command.

    :raises SystemExit: with one line, if `WEB_CONCURRENCY` is not accepted, or the command does not
        exist.
    """
    # Our configuration accepts an empty value and the variable WEB_CONCURRENCY_FILE; gunicorn does
    # not. So pass the resulting number.
    os.environ['WEB_CONCURRENCY'] = str(Config.WEB_CONCURRENCY)
    try:
        os.execvp(command[0], command)  # noqa: S606 - the operator chooses the command
    except OSError as error:
        raise SystemExit(f'{command[0]} cannot be executed: {error.strerror}') from None


if __name__ == '__main__':
    start(sys.argv[1:] or ['gunicorn', '-c', 'config/gunicorn.py', 'wsgi:create_app()'])
