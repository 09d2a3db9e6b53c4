"""Clients of an S3 server, and their time limits."""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import boto3
from botocore.config import Config

# Limits for the requests of a health check. A failed request is not
# repeated, because the check itself is.
PROBE_LIMITS = {
    'connect_timeout': 0.9,
    'read_timeout': 0.9,
    'retries': {'mode': 'standard', 'total_max_attempts': 1},
}

# Limits for requests to S3 inside a transaction. Their sum is less than 5 s, the time for which
# other writers wait for the lock of SQLite.
TRANSACTION_LIMITS = {
    'connect_timeout': 1.5,
    'read_timeout': 3,
    'retries': {'mode': 'standard', 'total_max_attempts': 1},
}


def create_client(
    endpoint: str | None, *, region: str | None, checksums: str, **limits: Any
) -> Any:
    """Return a client of an S3 server.

    :param endpoint: the URL of the server; None for Amazon.
    :param checksums: `required` for older servers, which do not support the new checksums of S3;
        else `supported`.
    :param limits: time limits and retries that replace the default ones.
    :raises SystemExit: if there are no credentials.
    """
    session = boto3.Session()
    if session.get_credentials() is None:
        raise SystemExit('S3 needs credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY')
    config = _configured(endpoint, checksums).merge(Config(**limits))
    return session.client(
        's3', endpoint_url=endpoint, region_name=region or 'us-east-1', config=config
    )


def response_time(response: Mapping[str, Any]) -> float:
    """Return the time of the server in its response, in seconds since 1970."""
    return parsedate_to_datetime(response['ResponseMetadata']['HTTPHeaders']['date']).timestamp()


def _configured(endpoint: str | None, checksums: str) -> Config:
    return Config(
        connect_timeout=3,
        read_timeout=30,
        retries={'mode': 'standard', 'max_attempts': 3},
        max_pool_connections=64,
        signature_version='s3v4',
        request_checksum_calculation=f'when_{checksums}',
        response_checksum_validation=f'when_{checksums}',
        # Only Amazon has a host name per bucket; other servers have the bucket in the path.
        s3={'addressing_style': 'path' if endpoint else 'auto'},
    )
