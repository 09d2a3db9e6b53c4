"""No cookies: neither read nor written. Flask would open a signed session for every request."""

from typing import Any

from flask import Flask
from flask.sessions import NullSession, SessionInterface


class NoCookies(SessionInterface):
    """Sessions that hold nothing and refuse to; what somebody may is told by a bearer token."""

    def open_session(self, app: Flask, request: Any) -> NullSession:
        """Return a session that cannot be written to."""
        return NullSession()

    def save_session(self, app: Flask, session: Any, response: Any) -> None:
        """Keep nothing."""


def init_app(app: Flask) -> None:
    """Take Flask's cookie away."""
    app.session_interface = NoCookies()
