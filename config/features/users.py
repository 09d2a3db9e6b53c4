"""Settings of the feature `users`."""

from config.settings import size


class Settings:
    """Avatars."""

    USERS_AVATAR_MAX_SIZE = size('5MiB', 'The largest avatar in bytes.', low=1, variable=None)
