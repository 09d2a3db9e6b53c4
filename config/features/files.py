"""Settings of the feature `files`."""

from config import env
from config.settings import choice, duration, number, size, text


class Settings:
    """Sizes, quotas, downloads, scans and versions."""

    FILES_MAX_SIZE = size(
        '10GB',
        'The size of the largest file (K, M, G, T: powers of 1,000; KiB …: of 1,024).',
        low=1,
    )
    FILES_QUOTA = size(
        '50GB',
        'The quota of a user for all files together, unless `flask files quota` sets another one.',
    )
    FILES_PUBLIC_FOLDER = text(
        f'{env.VAR}/public', 'The folder of the files that `flask files publish` publishes.'
    )
    FILES_OFFLOAD = choice(
        'none',
        ('none', 'x-accel', 'redirect'),
        'The sender of downloads: `none` (the service), `x-accel` (nginx) or `redirect` (the S3 '
        'server).',
    )
    FILES_SCANNER = text(
        '', 'A malware scanner for uploads: `clamd://host:port` or `clamd:///path/of/socket`.'
    )
    # At most 1,000: each version is a row, and the quota counts all rows of a user.
    FILES_VERSIONS_KEPT = number(
        10, 1, 1000, 'The number of versions that are kept of a file, including the newest.'
    )
    FILES_TRASH_LIFETIME = duration(
        'days',
        30,
        'Days after which files in the trash are deleted.',
        low=0,
        variable='FILES_TRASH_DAYS',
    )


class TestingSettings:
    """Small sizes; no proxy and no scanner."""

    FILES_MAX_SIZE = 1_000_000
    FILES_QUOTA = 3_000_000
    FILES_OFFLOAD = 'none'
    FILES_SCANNER = ''
