"""That what takes the service to a machine is well formed, and does what its comments say."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from config.base import Config
from config.settings import declared_settings
from project.core.task_workers.supervisor import SHUTDOWN_GRACE_SECONDS
from tests.core.server.serving import BIN, ROOT, free_port, small_service

WEB = ['gunicorn', '-c', 'config/gunicorn.py', 'wsgi:create_app()']
WORKER = ['flask', 'jobs', 'work']


def passes(program: str, *arguments: str | Path) -> bool:
    """Say whether a checker is content; it has printed what it is not content with."""
    return subprocess.run([BIN / program, *arguments], cwd=ROOT).returncode == 0


class TestCompose:
    PATH = ROOT / 'docker-compose.yml'
    TEXT = PATH.read_text()
    SERVICES = yaml.safe_load(TEXT)['services']
    SCHEMA = ('check-jsonschema', '--builtin-schema', 'vendor.compose-spec')

    def test_fits_the_schema(self) -> None:
        assert passes(*self.SCHEMA, self.PATH)

    def test_would_not_fit_with_a_slip(self, tmp_path: Path) -> None:
        slip = tmp_path / 'docker-compose.yml'
        slip.write_text(self.TEXT.replace('ports:', 'prots:'))

        assert not passes(*self.SCHEMA, slip)

    def test_migrates_before_it_serves(self) -> None:
        waits = self.SERVICES['api']['depends_on']['migrate']['condition']

        assert waits == 'service_completed_successfully'
        assert self.SERVICES['migrate']['command'] == ['flask', 'db', 'upgrade']
        assert self.SERVICES['migrate']['restart'] == 'no'

    def test_knows_how_each_service_is(self) -> None:
        checks = {name: service.get('healthcheck') for name, service in self.SERVICES.items()}

        # The image brings its own, which asks over HTTP.
        assert {name for name, check in checks.items() if not check} == {'api'}
        assert 'HEALTHCHECK' in (ROOT / 'Dockerfile').read_text()
        assert {name for name, check in checks.items() if check == {'disable': True}} == {
            'migrate',
            'worker',
        }

    def test_does_what_is_for_later_beside_the_service(self) -> None:
        worker, service = self.SERVICES['worker'], self.SERVICES['api']

        assert worker['command'] == WORKER
        assert worker['environment'] == service['environment']
        assert worker['depends_on'] == service['depends_on']
        assert worker['restart'] == service['restart'] == 'unless-stopped'

    def test_lets_running_tasks_finish_before_the_worker_is_killed(self) -> None:
        assert (
            int(self.SERVICES['worker']['stop_grace_period'].removesuffix('s'))
            > SHUTDOWN_GRACE_SECONDS
        )

    def test_carries_tasks_apart_from_counters_and_evicts_none(self) -> None:
        counters = self.SERVICES['api']['environment']['REDIS_URL']
        broker = self.SERVICES['api']['environment']['TASKS_BROKER_URL']
        command = self.SERVICES['redis']['command']

        # Without the colon: to set it to nothing is a choice.
        assert broker == '${TASKS_BROKER_URL-redis://redis:6379/1}'
        assert counters == 'redis://redis:6379/0'
        # Only what ends by itself may be evicted: counters do, messages do not.
        assert command[command.index('--maxmemory-policy') + 1] == 'volatile-lru'

    def test_sets_only_what_somebody_reads(self) -> None:
        known = {setting.variable for setting in declared_settings(Config).values()} | {'APP_ENV'}

        unknown = self.SERVICES['api']['environment'].keys() - known

        # What the library of S3 reads.
        assert unknown == {'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'}

    def test_passes_on_all_that_is_described_but_what_a_container_decides(self) -> None:
        example = (ROOT / '.env.example').read_text()
        described = set(re.findall(r'^#?([A-Z][A-Z_]+)=', example, re.MULTILINE))
        page = (ROOT / 'docs' / 'operations.md').read_text()
        left_out = {'APP_CONFIG_FILE', 'HOST', 'PORT', 'MAINTENANCE_FILE', 'FILES_PUBLIC_FOLDER'}

        assert described - set(self.SERVICES['api']['environment']) == left_out
        assert all(f'`{name}`' in page.split('## With compose')[1] for name in left_out)

    @pytest.mark.parametrize('name', ['api', 'migrate', 'worker'])
    def test_hands_the_service_nothing_else_of_what_is_in_a_file(self, name: str) -> None:
        service = self.SERVICES[name]

        assert 'env_file' not in service
        assert 'POSTGRES_PASSWORD' not in service['environment']

    @pytest.mark.parametrize('secret', ['SECRET_KEY', 'POSTGRES_PASSWORD'])
    def test_has_no_secret_of_its_own(self, secret: str) -> None:
        uses = re.findall(rf'\$\{{{secret}\b([^}}]*)\}}', self.TEXT)

        assert uses
        assert all(use.startswith(':?') for use in uses)

    def test_names_each_volume(self) -> None:
        mounts = {
            mount.split(':')[0]
            for service in self.SERVICES.values()
            for mount in service.get('volumes', [])
        }

        assert {mount for mount in mounts if not mount.startswith('.')} == set(
            yaml.safe_load(self.TEXT)['volumes']
        )

    def test_says_which_version_of_everything(self) -> None:
        images = [s['image'] for s in self.SERVICES.values() if 'build' not in s]

        assert all(re.search(r':v?\d', image) for image in images)

    def test_runs_nothing_of_ours_as_root(self) -> None:
        for name in ('api', 'migrate', 'worker', 'proxy', 'mail'):
            service = self.SERVICES[name]
            assert service.get('user', '10001:10001') == '10001:10001'
            assert service['cap_drop'] == ['ALL']
            assert service['read_only']


def steps_of(dockerfile: Path) -> list[tuple[str, str]]:
    """Return its instructions, each with what follows on one line."""
    text = re.sub(r'^#.*\n', '', dockerfile.read_text(), flags=re.MULTILINE)
    lines = re.sub(r'\\\n\s*', '', text).splitlines()
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines if line]


class TestDockerfile:
    PATH = ROOT / 'Dockerfile'
    STEPS = steps_of(PATH)

    def test_passes_the_linter(self) -> None:
        assert passes('hadolint', self.PATH)

    def test_installs_what_was_locked_and_nothing_else(self) -> None:
        installs = [step for name, step in self.STEPS if name == 'RUN' and 'pip install' in step]

        [locked, ourselves] = installs
        assert '--require-hashes' in locked
        assert '--no-build-isolation' in ourselves
        assert '--editable . ' in ourselves
        assert all('--no-deps' in step for step in installs)

    def test_notes_down_our_entry_points_where_the_code_will_lie(self) -> None:
        folders = [step for name, step in self.STEPS if name == 'WORKDIR']
        installed = self.STEPS.index(('COPY', 'pyproject.toml .'))

        assert folders == ['/app', '/app']
        assert 'WORKDIR' in [name for name, _ in self.STEPS[:installed]]

    def test_ends_as_a_user_without_rights(self) -> None:
        assert [step for name, step in self.STEPS if name == 'USER'] == ['10001:10001']
        after = self.STEPS[[name for name, _ in self.STEPS].index('USER') :]
        assert not {name for name, _ in after} & {'COPY', 'ADD', 'RUN', 'FROM'}

    def test_starts_as_the_procfile_does(self) -> None:
        assert json.loads(dict(self.STEPS)['CMD']) == WEB

    def test_copies_only_what_is_let_through(self) -> None:
        copies = [shlex.split(step) for name, step in self.STEPS if name == 'COPY']
        sources = {s for copy in copies if '--from=packages' not in copy for s in copy[:-1]}
        ignore = (ROOT / '.dockerignore').read_text().split('\n')

        assert '*' in ignore
        assert sources == {line[1:].rstrip('/') for line in ignore if line.startswith('!')}
        assert all((ROOT / source).exists() for source in sources)


class TestMakefile:
    def run_make(self, folder: Path, code: int) -> tuple[int, str, str]:
        """Run `make contracts` with a checker of ours; return how that ended and what it did."""
        checker = folder / 'lint-imports'
        checker.write_text(f'#!/bin/sh\necho run >> {folder}/runs\necho "x KEPT"; exit {code}\n')
        checker.chmod(0o755)
        command = ['make', '-s', '-o', '.venv/tested', 'contracts', f'BIN={folder}']
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        return ended.returncode, ended.stdout, (folder / 'runs').read_text()

    @pytest.mark.parametrize(('code', 'ended'), [(0, 0), (1, 2)])
    def test_runs_lint_imports_once_and_keeps_its_result(
        self, tmp_path: Path, code: int, ended: int
    ) -> None:
        assert self.run_make(tmp_path, code) == (ended, 'x KEPT\n', 'run\n')


class TestRequirements:
    def test_have_a_hash_each(self) -> None:
        text = (ROOT / 'requirements' / 'app.txt').read_text()
        lines = re.sub(r'\\\n', '', text).splitlines()
        packages = [line for line in lines if line and not line.lstrip().startswith('#')]

        assert packages
        assert all('==' in package and '--hash=sha256:' in package for package in packages)


class TestProcfile:
    LINES = (ROOT / 'Procfile').read_text().splitlines()

    def test_is_one(self) -> None:
        assert passes('honcho', 'check')

    def test_has_a_name_and_a_command_on_every_line(self) -> None:
        processes = dict(re.fullmatch(r'([a-z]+): (\S.*)', line).groups() for line in self.LINES)

        assert len(processes) == len(self.LINES)
        assert shlex.split(processes['release']) == ['flask', 'db', 'upgrade']
        assert shlex.split(processes['web']) == ['HOST=0.0.0.0', *WEB]
        assert shlex.split(processes['worker']) == WORKER

    def test_runs_programs_that_are_installed(self) -> None:
        for line in self.LINES:
            words = [word for word in shlex.split(line)[1:] if '=' not in word]
            assert (BIN / words[0]).exists()


class TestHealthcheck:
    def ask(self, port: int, **environment: str) -> int:
        return subprocess.run(
            [sys.executable, 'deploy/healthcheck.py'],
            cwd=ROOT,
            env={'PORT': str(port)} | environment,
        ).returncode

    def test_is_content_with_a_service_that_serves(self) -> None:
        with small_service() as service:
            assert self.ask(service.port, TRUSTED_HOSTS='api.example.com other.example') == 0

    def test_is_not_content_when_nobody_listens(self) -> None:
        assert self.ask(free_port()) == 1
