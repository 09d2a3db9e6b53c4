"""The tokens of a session: one for the doors, and one for the next two."""

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from flask import current_app

from project.core.security.encryption import decrypt_with_token, encrypt_with_token
from project.core.security.tokens import family_of, new_family, new_token, token_hash

SESSION_TOKEN, REFRESH_TOKEN = 'pst', 'prt'


@dataclass(frozen=True, slots=True)
class TokenPair:
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
            'refresh_expires_at': moment + current_app.config['AUTH_REFRESH_LIFETIME'],
        }

    def encrypted_for(self, used: str) -> bytes:
        """Return them so that only who has the refresh token they replace can read them."""
        return encrypt_with_token(used, json.dumps(asdict(self)).encode())


def issue_token_pair() -> TokenPair:
    """Return the first two of a session."""
    return TokenPair(new_token(SESSION_TOKEN), new_token(REFRESH_TOKEN, new_family()))


def rotate_token_pair(used: str) -> TokenPair:
    """Return the two that replace a refresh token."""
    return TokenPair(new_token(SESSION_TOKEN), new_token(REFRESH_TOKEN, family_of(used)))


def decrypt_token_pair(used: str, ciphertext: bytes | None) -> TokenPair | None:
    """Return the two that replaced a refresh token, while they are kept."""
    secret = decrypt_with_token(used, ciphertext) if ciphertext else None
    return TokenPair(**json.loads(secret)) if secret else None
