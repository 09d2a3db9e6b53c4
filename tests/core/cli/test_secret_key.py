"""`flask secret-key`."""

import os
import re
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from project.core.cli.secret_key import secret_key


class TestSecretKey:
    def test_prints_256_random_bits(self):
        keys = {CliRunner().invoke(secret_key).output for _ in range(3)}

        assert len(keys) == 3
        assert all(re.fullmatch(r'[0-9a-f]{64}\n', key) for key in keys)

    def test_needs_no_configuration(self, tmp_path):
        # Neither the environment nor the working directory contains settings of the service.
        environment = {'PATH': os.environ['PATH'], 'FLASK_SKIP_DOTENV': '1'}

        done = subprocess.run(
            [sys.executable, '-X', 'importtime', '-m', 'flask', 'secret-key'],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

        imports = [line for line in done.stderr.splitlines() if line.startswith('import time:')]
        assert (done.returncode, done.stderr.splitlines()) == (0, imports)
        assert {line.split()[-1] for line in imports} & {'flask', 'sqlalchemy'} == {'flask'}
        assert re.fullmatch(r'[0-9a-f]{64}\n', done.stdout)

    def test_prints_one_line_if_the_disk_is_full(self):
        with Path('/dev/full').open('w') as full:
            done = subprocess.run(
                [sys.executable, '-m', 'flask', 'secret-key'],
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )

        assert (done.returncode, done.stderr) == (1, 'Error: No space left on device\n')
