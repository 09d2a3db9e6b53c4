"""Replacement of Flask's sessions, so that the service neither reads nor writes cookies."""

from typing import Any

from flask import Flask
from flask.sessions import NullSession, SessionInterface


class NoCookies(SessionInterface):
    """Session interface without cookies. Clients authenticate by bearer tokens."""

    def open_session(self, app: Flask, request: Any) -> NullSession:
        """Return a session that cannot be written to."""
        return NullSession()

    def save_session(self, app: Flask, session: Any, response: Any) -> None:
        """Do nothing."""


def init_app(app: Flask) -> None:
    """Replace the session interface of Flask."""
    app.session_interface = NoCookies()
