"""Settings of the feature `auth`."""

from config.settings import duration, words


class Settings:
    """Sessions, devices, passwords and security events."""

    AUTH_CONTEXT_WORDS = words(
        'flask',
        'Words that a password must not consist of, separated by spaces: the name of your service.',
    )
    AUTH_TOKEN_LIFETIME = duration(
        'minutes', 60, 'Minutes after which a token expires.', variable='AUTH_TOKEN_MINUTES'
    )
    AUTH_REFRESH_LIFETIME = duration(
        'days',
        30,
        'Days without a refresh after which a session ends.',
        variable='AUTH_REFRESH_DAYS',
    )
    AUTH_SESSION_LIFETIME = duration(
        'days', 90, 'Days after which a session ends in any case.', variable='AUTH_SESSION_DAYS'
    )
    AUTH_DEVICE_LIFETIME = duration(
        'days', 365, 'Days for which a device is remembered.', variable='AUTH_DEVICE_DAYS'
    )
    AUTH_EVENTS_LIFETIME = duration(
        'days', 365, 'Days for which security events are kept.', variable='AUTH_EVENTS_DAYS'
    )
