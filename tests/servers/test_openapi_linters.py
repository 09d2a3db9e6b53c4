"""The OpenAPI document, judged by Spectral (`oas`) and Redocly (`recommended`): no findings."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from project.core.documents.files import features_folder
from project.core.documents.openapi import join_documents

pytestmark = pytest.mark.servers

FOLDER = Path(__file__).with_name('openapi_linters')

# Without these variables, Redocly sends a request to its makers.
OFFLINE = {'REDOCLY_TELEMETRY': 'off', 'REDOCLY_SUPPRESS_UPDATE_NOTICE': 'true'}


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, env={**os.environ, **OFFLINE}, capture_output=True, text=True,
        timeout=300, check=False,
    )  # fmt: skip


# One test for both linters, because each test process would install the packages again.
def test_linters_find_nothing(tmp_path: Path) -> None:
    for path in FOLDER.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    parts = [json.loads(path.read_bytes()) for path in features_folder().glob('*.openapi.json')]
    (tmp_path / 'openapi.json').write_text(json.dumps(join_documents(parts)), encoding='utf-8')
    installed = run(tmp_path, 'npm', 'ci', '--ignore-scripts', '--no-audit', '--no-fund')
    assert installed.returncode == 0, installed.stderr
    tools, document = tmp_path / 'node_modules' / '.bin', ('lint', 'openapi.json')

    spectral = run(
        tmp_path, str(tools / 'spectral'), *document, '--ruleset', 'spectral.yaml',
        '--fail-severity', 'hint',
    )  # fmt: skip
    redocly = run(tmp_path, str(tools / 'redocly'), *document, '--format', 'json')

    assert spectral.returncode == 0, spectral.stdout + spectral.stderr
    totals = json.loads(redocly.stdout)['totals']
    assert totals == {'errors': 0, 'warnings': 0, 'ignored': 0}, redocly.stdout
