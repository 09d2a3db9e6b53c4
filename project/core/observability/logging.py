"""Logs: one structured line per request, as JSON in production and as text in development.

Request bodies, query strings, tokens, PINs and passwords are never logged. Tokens are masked in the
formatted line, because paths, header values and messages of gunicorn's parser may contain them.
Logs go to stderr, so that they do not mix with the output of commands.
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
    """Formatter for one line of JSON in ASCII, without line breaks or terminal control characters.

    The application and gunicorn (`config/gunicorn.py`) both use it.
    """

    def add_fields(
        self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]
    ) -> None:
        """Add the fields of the log line to `log_data`, in a fixed order."""
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
        """Return JSON in ASCII with masked tokens. Characters such as U+2028 are escaped."""
        try:
            text = str(super().jsonify_log_record(log_data))
        except TypeError:
            # orjson rejects numbers beyond 64 bits, lone surrogates and some other values.
            text = ''
        if not (text and text.isascii()):
            text = json.dumps(log_data, default=str, separators=(',', ':'))
        return mask_tokens(text)


class ReadableFormatter(logging.Formatter):
    """Formatter for people: text instead of JSON.

    Line breaks and control characters in values are escaped, so that clients cannot forge lines.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as a line; further lines, such as a traceback, are indented."""
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
    """Configure logging. Call it before the first log message.

    :raises SystemExit: if LOG_LEVEL is unknown.
    """
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
    """Register the functions that log a line for each request."""
    app.before_request(start_request_timer)
    app.after_request(log_request)


def start_request_timer() -> None:
    """Store the start time of the request."""
    g.started = time.perf_counter()


def log_request(response: Response) -> Response:
    """Log the request and its status (ASVS 16.2.1).

    The query string is not logged, because it may be private.
    """
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
        # `log.info` would search the stack for its caller, which is slow and always finds this
        # line.
        record = log.makeRecord(
            log.name, logging.INFO, __file__, 0, 'request', (), None, extra={'fields': fields}
        )
        log.handle(record)
    return response
