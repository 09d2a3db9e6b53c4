"""Mails: one folder of templates each, written in a transaction and delivered as a task.

A mail is a folder `mail/<name>/` of `subject.txt`, `body.txt`, `body.html` and `example.json` (what
`flask mail preview` fills in) in the templates of the feature that sends it.
"""

from flask import Flask

from . import health
from .rendering import duration, program
from .sending import send_mail
from .transports import create_transport

__all__ = ['init_app', 'send_mail']


def init_app(app: Flask) -> None:
    """Create the mail transport and its health check, and register the template filters."""
    health.init_app(app)
    app.extensions['mail'] = create_transport(app.config['MAIL_URL'])
    app.add_template_filter(duration)
    app.add_template_filter(program)
