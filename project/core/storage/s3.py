"""Object storage in a bucket of an S3 server.

Bytes are first written to a staging file on the local disk. S3 stores an object completely or not
at all, so it is durable after its upload.
"""

import time
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import BotoCoreError, ClientError

from project.core.errors import ServiceUnavailable

from .base import Storage
from .listing import KEY_PATTERN, ListedName, check_key
from .object_interface import StoredObject
from .s3_client import PROBE_LIMITS, TRANSACTION_LIMITS, create_client, response_time
from .s3_file import S3File, translate_s3_errors

# Larger files are uploaded in parts, four of them concurrently.
MULTIPART_CONFIG = TransferConfig(
    multipart_threshold=16 * 1024 * 1024, multipart_chunksize=16 * 1024 * 1024, max_concurrency=4
)

PRESIGNED_URL_SECONDS = 60

# A multipart upload that is older than this counts as abandoned: its process has ended.
ABANDONED_AFTER_SECONDS = 24 * 60 * 60


class S3Storage(Storage):
    """A storage in one bucket of an S3 server.

    :param prefix: the common beginning of all names in the bucket.
    :param spool: the local folder of staging files.
    :param endpoint: the URL of the server; None for Amazon.
    :param public: the URL of the server for clients, for presigned URLs; by default `endpoint`.
    :param checksums: `required` for older servers, which do not support the new checksums of S3;
        else `supported`.
    :raises SystemExit: if there are no credentials, or the options are invalid.
    """

    prepares_at_key = True

    def __init__(
        self,
        bucket: str,
        prefix: str = '',
        *,
        spool: Path,
        endpoint: str | None = None,
        region: str | None = None,
        public: str | None = None,
        checksums: str = 'supported',
    ) -> None:
        super().__init__(spool)
        self.bucket = bucket
        self.prefix = f'{prefix}/' if prefix else ''
        client = partial(create_client, region=region, checksums=checksums)
        # Clients with shorter time limits: one for health checks, one for transactions.
        self._new_probe = cache(partial(client, endpoint, **PROBE_LIMITS))
        self._new_short_client = cache(partial(client, endpoint, **TRANSACTION_LIMITS))
        try:
            self._client = client(endpoint)
            self._signer = client(public) if public else self._client
        except (BotoCoreError, ValueError) as error:
            raise SystemExit(f'The S3 storage cannot be used: {error}') from None

    def prepare(self, path: Path, key: str) -> None:
        """Upload a staging file to its key. The time depends on its size.

        The file is uploaded even if the object exists already: otherwise a short response time
        would reveal that another user has stored the same bytes.
        """
        with translate_s3_errors():
            self._client.upload_file(
                str(path), self.bucket, self._name(key), Config=MULTIPART_CONFIG
            )

    def save(self, path: Path, key: str, *, stays: bool = False) -> None:
        """Upload the file again if its object was deleted after `prepare`; otherwise do nothing.

        :param stays: without effect: the staging file always stays at its path.
        """
        if not self.can_open(key, in_transaction=True):
            self.prepare(path, key)

    def open(self, key: str) -> StoredObject:
        """Open an object. It is downloaded while it is read."""
        size = self.size(key)
        if size is None:
            raise ServiceUnavailable
        return S3File(self._fetch, key, size)

    def size(self, key: str) -> int | None:
        """Return the size of an object in bytes, or None if it does not exist."""
        return self._size(self._client, key)

    def can_open(self, key: str, *, in_transaction: bool = False) -> bool:
        """Return whether there is an object under a key."""
        client = self._new_short_client() if in_transaction else self._client
        return self._size(client, key) is not None

    def _size(self, client: Any, key: str) -> int | None:
        try:
            with translate_s3_errors():
                found = client.head_object(Bucket=self.bucket, Key=self._name(key))
        except ServiceUnavailable as error:
            if _status(error.__cause__) == 404:
                return None
            raise
        return int(found['ContentLength'])

    def ensure_durable(self, key: str) -> None:
        """Do nothing: existing objects are durable."""

    def delete(self, key: str) -> None:
        """Delete an object, if it exists."""
        with translate_s3_errors():
            self._new_short_client().delete_object(Bucket=self.bucket, Key=self._name(key))

    def iterate_names(self, prefix: str = '', *, after: str = '') -> Iterator[ListedName]:
        """Yield the names of all objects with a prefix in sorted order."""
        below = self._name(prefix) + '/' if prefix else self.prefix
        pages = self._client.get_paginator('list_objects_v2')
        place = {'StartAfter': self.prefix + after} if after else {}
        with translate_s3_errors():
            for page in pages.paginate(Bucket=self.bucket, Prefix=below, **place):
                for found in page.get('Contents', ()):
                    name = found['Key'].removeprefix(self.prefix)
                    is_key = KEY_PATTERN.fullmatch(name) is not None
                    yield ListedName(name, found['Size'], is_key=is_key)

    def check_health(self) -> None:
        """Check that the local disk and the bucket can be used."""
        self.write_probe()
        with translate_s3_errors():
            self._new_probe().head_bucket(Bucket=self.bucket)

    def server_time(self) -> float:
        """Return the time of the S3 server, in whole seconds."""
        with translate_s3_errors():
            return response_time(self._new_probe().head_bucket(Bucket=self.bucket))

    def has_marker(self, marker: str) -> bool:
        """Return whether the bucket has the marker.

        :raises ServiceUnavailable: if S3 does not respond within a few seconds.
        """
        return self._size(self._new_probe(), marker) is not None

    def presigned_url(self, key: str, *, mimetype: str, disposition: str) -> str | None:
        """Return a URL that is valid for 60 s without a login."""
        wanted = {
            'Bucket': self.bucket, 'Key': self._name(key), 'ResponseContentType': mimetype,
            'ResponseContentDisposition': disposition,
        }  # fmt: skip
        address: str = self._signer.generate_presigned_url(
            'get_object', Params=wanted, ExpiresIn=PRESIGNED_URL_SECONDS
        )
        return address

    def delete_abandoned(self, *, dry_run: bool = False) -> Iterator[ListedName]:
        """Delete abandoned staging files, and abort abandoned multipart uploads.

        A multipart upload counts as abandoned after a day, because S3 does not report whether the
        process that began it still runs.
        """
        yield from super().delete_abandoned(dry_run=dry_run)
        pages = self._client.get_paginator('list_multipart_uploads')
        before = time.time() - ABANDONED_AFTER_SECONDS
        with translate_s3_errors():
            for page in pages.paginate(Bucket=self.bucket, Prefix=self.prefix):
                for begun in page.get('Uploads', ()):
                    if begun['Initiated'].timestamp() >= before:
                        continue
                    if not dry_run:
                        self._client.abort_multipart_upload(
                            Bucket=self.bucket, Key=begun['Key'], UploadId=begun['UploadId']
                        )
                    yield ListedName(begun['Key'].removeprefix(self.prefix), 0)

    def _name(self, key: str) -> str:
        return self.prefix + check_key(key)

    def _fetch(self, key: str, start: int) -> Any:
        found = self._client.get_object(
            Bucket=self.bucket, Key=self._name(key), Range=f'bytes={start}-'
        )
        return found['Body']


def _status(error: BaseException | None) -> int | None:
    if not isinstance(error, ClientError):
        return None
    status: int = error.response['ResponseMetadata']['HTTPStatusCode']
    return status
