"""Mails: rendered from templates, enqueued in a transaction, and delivered by a task.

The templates of a feature have a folder `mail/<name>/` for each mail that it sends. It contains
`subject.txt`, `body.txt`, `body.html`, and `example.json` with the values for `flask mail preview`.
"""

from flask import Flask

from . import health, inspection  # noqa: F401 - registers the check
from .rendering import duration, program
from .sending import send_mail
from .transports import TRANSPORT, create_transport

__all__ = ['init_app', 'send_mail']


def init_app(app: Flask) -> None:
    """Create the mail transport and its health check; register the template filters."""
    health.init_app(app)
    TRANSPORT.set(app, create_transport(app.config['MAIL_URL']))
    app.add_template_filter(duration)
    app.add_template_filter(program)
