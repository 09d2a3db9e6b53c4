"""Session tokens: an access token and a refresh token."""

import json
from dataclasses import asdict, dataclass
from datetime import datetime

from flask import current_app

from project.core.security.encryption import decrypt_with_token, encrypt_with_token
from project.core.security.tokens import family_of, new_family, new_token, token_hash

SESSION_TOKEN, REFRESH_TOKEN = 'pst', 'prt'


@dataclass(frozen=True, slots=True)
class TokenPair:
    """An access token and a refresh token in plain text, returned once and never stored."""

    token: str
    refresh_token: str

    def columns(self, moment: datetime) -> dict[str, object]:
        """Return the columns that a session stores for new tokens: hashes and expiry.

        :param moment: when the tokens are issued.
        """
        return {
            'token_hash': token_hash(self.token),
            'expires_at': moment + current_app.config['AUTH_TOKEN_LIFETIME'],
            'family_hash': token_hash(family_of(self.refresh_token)),
            'refresh_hash': token_hash(self.refresh_token),
            'refresh_expires_at': moment + current_app.config['AUTH_REFRESH_LIFETIME'],
        }

    def encrypted_for(self, used: str) -> bytes:
        """Return these tokens, encrypted under the used refresh token that they replace."""
        return encrypt_with_token(used, json.dumps(asdict(self)).encode())


def issue_token_pair() -> TokenPair:
    """Return the first tokens of a session."""
    return TokenPair(new_token(SESSION_TOKEN), new_token(REFRESH_TOKEN, new_family()))


def rotate_token_pair(used: str) -> TokenPair:
    """Return new tokens that replace a used refresh token."""
    return TokenPair(new_token(SESSION_TOKEN), new_token(REFRESH_TOKEN, family_of(used)))


def decrypt_token_pair(used: str, ciphertext: bytes | None) -> TokenPair | None:
    """Return the tokens that replaced a used refresh token; None if they cannot be decrypted."""
    secret = decrypt_with_token(used, ciphertext) if ciphertext else None
    return TokenPair(**json.loads(secret)) if secret else None
