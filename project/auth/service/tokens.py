"""The tokens of a session: one for the doors, and one for the next two."""

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from flask import current_app

from project.core.security.encryption import seal_under, unseal_under
from project.core.security.tokens import family_of, new_family, new_token, token_hash

SESSION_TOKEN, REFRESH_TOKEN = 'pst', 'prt'


@dataclass(frozen=True, slots=True)
class Pair:
    """Two tokens in the clear: they are seen once, and never stored."""

    token: str
    refresh_token: str

    def columns(self, moment: datetime) -> dict[str, Any]:
        """Return what a session stores of them when they are made."""
        return {
            'token_hash': token_hash(self.token),
            'expires_at': moment + current_app.config['AUTH_TOKEN_LIFETIME'],
            'family_hash': token_hash(family_of(self.refresh_token)),
            'refresh_hash': token_hash(self.refresh_token),
            'lapses_at': moment + current_app.config['AUTH_REFRESH_LIFETIME'],
        }

    def sealed_for(self, used: str) -> bytes:
        """Return them so that only who has the refresh token they replace can read them."""
        return seal_under(used, json.dumps(asdict(self)).encode())


def new_pair() -> Pair:
    """Return the first two of a session."""
    return Pair(new_token(SESSION_TOKEN), new_token(REFRESH_TOKEN, new_family()))


def next_pair(used: str) -> Pair:
    """Return the two that replace a refresh token."""
    return Pair(new_token(SESSION_TOKEN), new_token(REFRESH_TOKEN, family_of(used)))


def unsealed_pair(used: str, sealed: bytes | None) -> Pair | None:
    """Return the two that replaced a refresh token, while they are kept."""
    secret = unseal_under(used, sealed) if sealed else None
    return Pair(**json.loads(secret)) if secret else None
