"""The timesteps of one-time passwords (TOTP, RFC 6238)."""

import hmac

import pyotp

from project.core.clock import now

TIMESTEP_SECONDS = 30  # seconds

# A clock may be wrong by so many steps, either way (RFC 6238, 5.2).
MAX_DRIFT_TIMESTEPS = 1


def find_timestep(secret: bytes | None, otp: str) -> int | None:
    """Return the accepted timestep to which a code belongs; None if it is of none, or no secret."""
    if secret is None:
        return None
    generator = pyotp.TOTP(secret.decode())
    current = _current_timestep()
    steps = range(current - MAX_DRIFT_TIMESTEPS, current + MAX_DRIFT_TIMESTEPS + 1)
    matching = [s for s in steps if hmac.compare_digest(generator.generate_otp(s), otp)]
    return matching[-1] if matching else None


def last_timestep() -> int:
    """Return the last timestep whose code is accepted now.

    A later one was stored by a clock that was ahead: it must not keep the owner out until then.
    """
    return _current_timestep() + MAX_DRIFT_TIMESTEPS


def _current_timestep() -> int:
    return int(now().timestamp()) // TIMESTEP_SECONDS
