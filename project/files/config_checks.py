"""Checks of the settings of `files`."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .clamd import parse_scanner_url


def find_faults(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield the faults that prevent the service from starting."""
    if not Path(config['FILES_PUBLIC_FOLDER']).is_absolute():
        yield 'FILES_PUBLIC_FOLDER must be an absolute path'
    offload, storage = config['FILES_OFFLOAD'], config['STORAGE_URL']
    # A proxy can send files of a local folder only, and only S3 has URLs to redirect to.
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
    """Yield warnings about settings that work, but are probably a mistake."""
    if config['FILES_MAX_SIZE'] > config['FILES_QUOTA']:
        yield (
            'FILES_MAX_SIZE is larger than FILES_QUOTA: '
            'only users with a larger quota of their own can upload such files'
        )
