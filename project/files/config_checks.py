"""Configuration checks of the feature `files`."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .clamd import parse_scanner_url


def find_faults(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield a message for each fault because of which the service must not start."""
    if not Path(config['FILES_PUBLIC_FOLDER']).is_absolute():
        yield 'FILES_PUBLIC_FOLDER must be an absolute path'
    offload, storage = config['FILES_OFFLOAD'], config['STORAGE_URL']
    # nginx can send only files of a local folder (`x-accel`), and only S3 has URLs for a redirect.
    if offload == 'x-accel' and not storage.startswith('file:'):
        yield 'FILES_OFFLOAD=x-accel needs a STORAGE_URL of file://'
    if offload == 'redirect' and not storage.startswith('s3:'):
        yield 'FILES_OFFLOAD=redirect needs a STORAGE_URL of s3://'
    if config['FILES_SCANNER']:
        try:
            parse_scanner_url(config['FILES_SCANNER'])
        except ValueError as error:
            yield f'FILES_SCANNER {error}'


def find_warnings(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield warnings about valid settings that are probably mistakes."""
    if config['FILES_MAX_SIZE'] > config['FILES_QUOTA']:
        yield (
            'FILES_MAX_SIZE is larger than FILES_QUOTA: '
            'only users with a larger quota of their own can upload such files'
        )
