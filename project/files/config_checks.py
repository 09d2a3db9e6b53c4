"""Checks of the settings of files."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .clamd import parse_scanner_url


def find_faults(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield what stops the start."""
    if not Path(config['FILES_PUBLIC_FOLDER']).is_absolute():
        yield 'FILES_PUBLIC_FOLDER must be an absolute path'
    offload, storage = config['FILES_OFFLOAD'], config['STORAGE_URL']
    # A proxy reads a folder, and only an S3 server has URLs.
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
    """Yield what works, although an operator hardly means it."""
    if config['FILES_MAX_SIZE'] > config['FILES_QUOTA']:
        yield (
            'FILES_MAX_SIZE is larger than FILES_QUOTA: '
            'only users with a larger quota of their own can upload such files'
        )
