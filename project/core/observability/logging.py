"""Logs: one structured line per request, JSON in production, readable in development.

Never in a line: bodies, queries, tokens, PINs, passwords. Tokens are masked in the finished line:
paths, header values and messages of gunicorn's parser may contain them. To stderr, so that what a
command prints on stdout stays clean.
"""

import json
import logging
import logging.config
import time
from datetime import UTC, datetime
from typing import Any

from flask import Flask, Response, g, request
from pythonjsonlogger.orjson import OrjsonFormatter

from project.core.clock import rfc3339
from project.core.request_context import current_request_context
from project.core.security.tokens import mask_tokens
from project.core.web.endpoints.access import current_or_none

log = logging.getLogger('project.request')


class JsonFormatter(OrjsonFormatter):
    """A record as one line of JSON in ASCII: no character of it breaks a line or moves a cursor.

    The application and gunicorn (`config/gunicorn.py`) both use it.
    """

    def add_fields(
        self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]
    ) -> None:
        """Fill `log_data` with our keys, in our order."""
        log_data |= {
            'time': rfc3339(datetime.fromtimestamp(record.created, UTC)),
            'level': record.levelname.lower(),
            'logger': record.name,
            'message': record.message,
            'request_id': current_request_context().request_id,
            **getattr(record, 'fields', {}),
        }
        if record.exc_info:
            log_data['exception'] = message_dict['exc_info']

    def jsonify_log_record(self, log_data: dict[str, Any]) -> str:
        """Return JSON without tokens, and without line breaks or cursor moves such as U+2028."""
        try:
            text = str(super().jsonify_log_record(log_data))
        except TypeError:
            # Numbers beyond 64 bits, lone surrogates and other values that orjson rejects.
            text = ''
        if not (text and text.isascii()):
            text = json.dumps(log_data, default=str, separators=(',', ':'))
        return mask_tokens(text)


class ReadableFormatter(logging.Formatter):
    """A record as a person reads it. What came from outside cannot forge a line or a colour."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and what belongs to it indented below it."""
        fields = ' '.join(
            f'{name}={value}' for name, value in getattr(record, 'fields', {}).items()
        )
        clock = datetime.fromtimestamp(record.created, UTC).strftime('%H:%M:%S')
        said = f'{record.getMessage()} {fields}'.rstrip()
        text = f'{clock} {record.levelname:<7} {current_request_context().request_id} {said}'
        if record.exc_info:
            text += f'\n{self.formatException(record.exc_info)}'
        return ''.join(
            c if c.isprintable() else '\n    ' if c == '\n' else ascii(c)[1:-1]
            for c in mask_tokens(text)
        )


FORMATTERS = {'json': JsonFormatter, 'readable': ReadableFormatter}


def configure(app: Flask) -> None:
    """Set up logging, before anything has been logged; refuses an unknown LOG_LEVEL."""
    level = app.config['LOG_LEVEL']
    if level not in logging.getLevelNamesMapping():
        raise SystemExit(f'LOG_LEVEL is {level!r}; it must be DEBUG, INFO, WARNING or ERROR.')
    handler = {'class': 'logging.StreamHandler', 'formatter': 'chosen'}
    logging.config.dictConfig(
        {
            'version': 1,
            'disable_existing_loggers': False,
            'formatters': {'chosen': {'()': FORMATTERS[app.config['LOG_FORMAT']]}},
            'handlers': {'stderr': handler},
            'root': {'level': 'WARNING', 'handlers': ['stderr']},
            'loggers': {'project': {'level': level}},
        }
    )


def init_app(app: Flask) -> None:
    """Log a line for every request."""
    app.before_request(start_request_timer)
    app.after_request(log_request)


def start_request_timer() -> None:
    """Remember when the request began."""
    g.started = time.perf_counter()


def log_request(response: Response) -> Response:
    """Log what was asked and how it ended (ASVS 16.2.1); never the query, which may be private."""
    if log.isEnabledFor(logging.INFO):
        principal = current_or_none()
        fields = {
            'method': request.method,
            'path': request.path,
            'route': request.url_rule.rule if request.url_rule else None,
            'status': response.status_code,
            'ms': round((time.perf_counter() - g.get('started', time.perf_counter())) * 1000, 2),
            'user_id': principal.user_id if principal else None,
            'address': current_request_context().ip_address,
        }
        # Made by hand: who called is always this line, and to find that out takes its time.
        record = log.makeRecord(
            log.name, logging.INFO, __file__, 0, 'request', (), None, extra={'fields': fields}
        )
        log.handle(record)
    return response
