"""The output of all commands of `flask`: errors in writing it, and characters that it lacks."""

import codecs
import errno
import io
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

# Reasons why a file, to which the shell redirects the output, cannot be written.
WRITE_ERRORS = (errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOSPC)
NOT_UTF8 = re.compile('[\udc80-\udcff]')


def watch_output() -> None:
    """Report errors in writing the output of the running command line in one line on stderr.

    The context of `flask` ends after that of each command, including the commands of Flask and its
    extensions. Does nothing in a process without a command line.
    """
    if context := click.get_current_context(silent=True):
        # Python sets a stream to None if the shell closed it: `>&-`.
        for name in ('stdout', 'stderr'):
            if getattr(sys, name) is None:
                setattr(sys, name, Path(os.devnull).open('w'))  # noqa: SIM115 - until the end
        context.find_root().with_resource(_WrittenOutput())


class _WrittenOutput:
    """A block at whose end the buffered output is written.

    Otherwise the interpreter would do it: too late for an exit code, and with a traceback. It is a
    class, because the interpreter also ends a generator whose block never ended.
    """

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        """Write the output.

        :raises ClickException: if the output cannot be written.
        """
        with _one_line_errors():
            try:
                if error is not None:
                    raise error
            finally:
                sys.stdout.flush()


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """Report an error in writing the output.

    :raises ClickException: if the output cannot be written.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in WRITE_ERRORS:
            raise
        # The interpreter writes the rest of the buffer at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise click.ClickException(str(error.strerror)) from error


class WatchedOutput:
    """Stdout for libraries that ignore each `OSError` in writing it, as Alembic does."""

    encoding = 'utf-8'

    def write(self, text: str) -> None:
        """Write a text.

        :raises ClickException: if it cannot be written.
        """
        with _one_line_errors():
            sys.stdout.write(text)


def print_any_character() -> None:
    """Let stdout and stderr print characters that their encodings lack as escapes (`\\u65e5`).

    Otherwise a name would end a command with a traceback, for example in a cron job with `LANG=C`.
    Bytes of arguments that are not UTF-8 are printed as `\\xff`.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_escape_unprintable.__name__)


def escape_bytes(text: str) -> str:
    """Return a text with the bytes that are not UTF-8 as escapes (`\\xff`).

    Python represents the byte FF of an argument as the lone surrogate DCFF (PEP 383).
    """
    return NOT_UTF8.sub(lambda found: f'\\x{ord(found[0]) - 0xDC00:02x}', text)


def _escape_unprintable(error: UnicodeError) -> tuple[str | bytes, int]:
    """Return escapes of the characters that an encoding lacks (an error handler of `codecs`)."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = escape_bytes(error.object[error.start : error.end])
    return text.encode('ascii', 'backslashreplace').decode(), error.end


codecs.register_error(_escape_unprintable.__name__, _escape_unprintable)
