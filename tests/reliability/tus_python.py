"""Command that uploads a file with the tus client tuspy; its arguments are ENDPOINT TOKEN FILE.

Prints the id of the file as JSON.
"""

import json
import sys
from pathlib import Path

from tusclient.client import TusClient


def main(endpoint: str, token: str, file: str) -> None:
    """Upload the file in chunks.

    The client tuspy keeps a whole chunk in memory, and counts its retries per chunk.
    """
    client = TusClient(endpoint, headers={'Authorization': f'Bearer {token}'})
    uploader = client.uploader(
        file, chunk_size=Path(file).stat().st_size // 32, retries=20, retry_delay=1,
        metadata={'filename': 'from Python – ünïcode.bin'},
    )  # fmt: skip
    uploader.upload()
    print(json.dumps({'file': uploader.request.response_headers['x-file-id']}))  # noqa: T201


if __name__ == '__main__':
    main(*sys.argv[1:])
