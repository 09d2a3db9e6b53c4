"""Start of gunicorn, after a check of the variable that gunicorn reads before our configuration.

gunicorn parses `WEB_CONCURRENCY` when it is imported. If that is empty or not a number, gunicorn
prints a traceback. So the image and the `Procfile` use this command, which prints one line instead:

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
    # gunicorn does not accept an empty value, and does not read WEB_CONCURRENCY_FILE.
    os.environ['WEB_CONCURRENCY'] = str(Config.WEB_CONCURRENCY)
    try:
        os.execvp(command[0], command)  # noqa: S606 - the operator chooses the command
    except OSError as error:
        raise SystemExit(f'{command[0]} cannot be executed: {error.strerror}') from None


if __name__ == '__main__':
    start(sys.argv[1:] or ['gunicorn', '-c', 'config/gunicorn.py', 'wsgi:create_app()'])
