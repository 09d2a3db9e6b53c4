"""The form of gunicorn's own lines."""

import logging
import sys

import pytest

from project.core.observability.logging import JsonFormatter as Ours
from project.core.request_context import Origin, set_origin
from project.core.server.json_logging import JsonFormatter


def caught() -> object:
    try:
        raise ValueError('why\u2028')
    except ValueError:
        return sys.exc_info()


class TestJsonFormatter:
    @pytest.mark.parametrize('error', [None, caught()])
    @pytest.mark.parametrize('said', ['Booting', 'Größe', '\r\n\u2028\x9b31m', '"'])
    def test_writes_what_the_application_would(self, said: str, error: object) -> None:
        set_origin(Origin())
        record = logging.LogRecord(
            'gunicorn.error', logging.WARNING, __file__, 1, 'said %s', (said,), error
        )

        line = JsonFormatter().format(record)

        assert line == Ours().format(record)
        assert line.isascii()
        assert line.isprintable()
