"""gunicorn's own lines (start, stop, what was no HTTP) in the form of the application's."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

from gunicorn.glogging import Logger


class JsonFormatter(logging.Formatter):
    """A record as the application writes it; written again, for its formatter comes too late.

    Nothing here may import the application, and gunicorn speaks before that is loaded. A test
    compares the two.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return one line in ASCII. What gunicorn says belongs to no request of ours."""
        line = {
            'time': datetime.fromtimestamp(record.created, UTC).isoformat().replace('+00:00', 'Z'),
            'level': record.levelname.lower(),
            'logger': record.name,
            'message': record.getMessage(),
            'request_id': '-',
        }
        if record.exc_info:
            line['exception'] = self.formatException(record.exc_info)
        return json.dumps(line, separators=(',', ':'))


class JsonLogger(Logger):  # type: ignore[misc]
    """gunicorn's logger in that form, from its first line on."""

    def setup(self, cfg: Any) -> None:
        """Set up where to write, and how."""
        super().setup(cfg)
        for handler in self.error_log.handlers:
            handler.setFormatter(JsonFormatter())
