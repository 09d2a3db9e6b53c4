"""The template of generated features is itself a feature, whose tests pass."""

import os
import subprocess
import sys

import pytest

from project.core.cli.feature_kit import repository


class TestTemplate:
    @pytest.mark.slow('runs the tests of the template in a copy of the repository')
    def test_passes_its_own_tests(self):
        with repository.copied_repository() as copy:
            for path in repository.TEMPLATE.glob('*/**/*.py'):
                target = copy / path.relative_to(repository.TEMPLATE)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(path.read_bytes())
            environment = {
                'PATH': os.environ['PATH'],
                'PYTHONPATH': str(copy),
                'PYTHON_DOTENV_DISABLED': '1',
            }
            ended = subprocess.run(
                [sys.executable, '-m', 'pytest', '-q', '-p', 'no:schemathesis', '-p', 'no:xdist',
                 'tests/book_club'],
                cwd=copy, env=environment, capture_output=True, text=True,
            )  # fmt: skip

        assert ended.returncode == 0, ended.stdout + ended.stderr
