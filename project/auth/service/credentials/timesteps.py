"""Timesteps of one-time passwords (TOTP, RFC 6238)."""

import hmac

import pyotp.totp

from project.core.clock import now

TIMESTEP_SECONDS = 30

# The clock of an authenticator may be ahead or behind by this number of steps (RFC 6238, 5.2).
MAX_DRIFT_TIMESTEPS = 1


def find_timestep(secret: bytes | None, otp: str) -> int | None:
    """Return the timestep to which a one-time password belongs; None if it is not accepted now."""
    if secret is None:
        return None
    generator = pyotp.totp.TOTP(secret.decode())
    current = _current_timestep()
    steps = range(current - MAX_DRIFT_TIMESTEPS, current + MAX_DRIFT_TIMESTEPS + 1)
    matching = [s for s in steps if hmac.compare_digest(generator.generate_otp(s), otp)]
    return matching[-1] if matching else None


def last_timestep() -> int:
    """Return the highest timestep whose code is accepted now.

    If the stored timestep of the last used code is higher, a server clock that was ahead has caused
    it. Callers ignore such a timestep; otherwise all codes would be rejected until that time.
    """
    return _current_timestep() + MAX_DRIFT_TIMESTEPS


def _current_timestep() -> int:
    return int(now().timestamp()) // TIMESTEP_SECONDS
