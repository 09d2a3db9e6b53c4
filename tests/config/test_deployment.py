"""Deployment files, such as docker-compose.yml, Dockerfile, Makefile and Procfile.

They must be valid, do what their comments describe, and not contradict each other.
"""

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
from project.core.features import find_features
from project.core.task_workers.supervisor import SHUTDOWN_GRACE_SECONDS
from tests.core.server.serving import BIN, ROOT, free_port, small_service
from tests.removed_features import is_removed_setting

WEB = [
    'python', '-m', 'config.start', 'gunicorn', '-c', 'config/gunicorn.py', 'wsgi:create_app()',
]  # fmt: skip
WORKER = ['flask', 'jobs', 'work']


def passes(program: str, *arguments: str | Path) -> bool:
    """Run a program that checks files; return whether it found no fault."""
    return subprocess.run([BIN / program, *arguments], cwd=ROOT).returncode == 0


def is_of_new_feature(variable: str) -> bool:
    """Return whether a variable belongs to a feature that a team has added."""
    names = {feature.name for feature in find_features()} - {'users', 'auth', 'files'}
    return variable.startswith(tuple(f'{name.upper()}_' for name in names))


class TestCompose:
    PATH = ROOT / 'docker-compose.yml'
    TEXT = PATH.read_text()
    SERVICES = yaml.safe_load(TEXT)['services']
    SCHEMA = ('check-jsonschema', '--builtin-schema', 'vendor.compose-spec')

    def test_matches_the_schema(self) -> None:
        assert passes(*self.SCHEMA, self.PATH)

    def test_does_not_match_the_schema_with_a_typing_error(self, tmp_path: Path) -> None:
        misspelt = tmp_path / 'docker-compose.yml'
        misspelt.write_text(self.TEXT.replace('ports:', 'prots:'))

        assert not passes(*self.SCHEMA, misspelt)

    def test_migrates_the_database_before_the_service_starts(self) -> None:
        waits = self.SERVICES['api']['depends_on']['migrate']['condition']

        assert waits == 'service_completed_successfully'
        assert self.SERVICES['migrate']['command'] == ['flask', 'db', 'upgrade']
        assert self.SERVICES['migrate']['restart'] == 'no'

    def test_has_a_health_check_for_each_service_except_migrate_and_worker(self) -> None:
        checks = {name: service.get('healthcheck') for name, service in self.SERVICES.items()}

        # The `api` service uses the health check in the Dockerfile, which requests /healthz.
        assert {name for name, check in checks.items() if not check} == {'api'}
        assert 'HEALTHCHECK' in (ROOT / 'Dockerfile').read_text()
        assert {name for name, check in checks.items() if check == {'disable': True}} == {
            'migrate',
            'worker',
        }

    def test_runs_tasks_in_a_worker_configured_like_the_service(self) -> None:
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

    def test_separates_task_messages_from_counters_and_never_evicts_them(self) -> None:
        counters = self.SERVICES['api']['environment']['REDIS_URL']
        broker = self.SERVICES['api']['environment']['TASKS_BROKER_URL']
        command = self.SERVICES['redis']['command']

        # `${NAME-default}` instead of `${NAME:-default}`: an empty value must stay empty.
        assert broker == '${TASKS_BROKER_URL-redis://redis:6379/1}'
        assert counters == 'redis://redis:6379/0'
        # Redis may delete only keys with an expiry when its memory is full. Counters have an
        # expiry, messages do not.
        assert command[command.index('--maxmemory-policy') + 1] == 'volatile-lru'

    def test_sets_only_known_variables(self) -> None:
        known = {setting.variable for setting in declared_settings(Config).values()} | {'APP_ENV'}

        passed = self.SERVICES['api']['environment']
        unknown = {name for name in passed if not is_removed_setting(name)} - known

        # The S3 library reads these variables itself.
        assert unknown == {'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'}

    def test_passes_all_documented_variables_except_those_of_the_container(self) -> None:
        settings = declared_settings(Config).values()
        described = {setting.variable for setting in settings if setting.variable}
        described |= {'APP_ENV', 'APP_CONFIG_FILE'}
        page = (ROOT / 'docs' / 'operations.md').read_text()
        left_out = {'APP_CONFIG_FILE', 'HOST', 'PORT', 'MAINTENANCE_FILE', 'FILES_PUBLIC_FOLDER'}
        left_out = {name for name in left_out if not is_removed_setting(name)}

        # Variables of other features are in features.env.
        own = {name for name in described if not is_of_new_feature(name)}
        assert own - set(self.SERVICES['api']['environment']) == left_out
        assert all(f'`{name}`' in page.split('## With compose')[1] for name in left_out)

    @pytest.mark.parametrize('name', ['api', 'migrate', 'worker'])
    def test_passes_no_whole_env_and_no_database_password(self, name: str) -> None:
        service = self.SERVICES[name]

        assert service['env_file'] == [{'path': 'features.env', 'required': False}]
        assert 'POSTGRES_PASSWORD' not in service['environment']

    @pytest.mark.parametrize('secret', ['SECRET_KEY', 'POSTGRES_PASSWORD'])
    def test_requires_each_secret(self, secret: str) -> None:
        uses = re.findall(rf'\$\{{{secret}\b([^}}]*)\}}', self.TEXT)

        assert uses
        assert all(use.startswith(':?') for use in uses)

    def test_declares_each_volume(self) -> None:
        mounts = {
            mount.split(':')[0]
            for service in self.SERVICES.values()
            for mount in service.get('volumes', [])
        }

        assert {mount for mount in mounts if not mount.startswith('.')} == set(
            yaml.safe_load(self.TEXT)['volumes']
        )

    def test_pins_the_version_of_each_image(self) -> None:
        images = [s['image'] for s in self.SERVICES.values() if 'build' not in s]

        assert all(re.search(r':v?\d', image) for image in images)

    def test_runs_all_services_except_databases_as_an_unprivileged_user(self) -> None:
        for name in ('api', 'migrate', 'worker', 'proxy', 'mail'):
            service = self.SERVICES[name]
            assert service.get('user', '10001:10001') == '10001:10001'
            assert service['cap_drop'] == ['ALL']
            assert service['read_only']


def steps_of(dockerfile: Path) -> list[tuple[str, str]]:
    """Return the instructions of a Dockerfile, each with its arguments on one line."""
    text = re.sub(r'^#.*\n', '', dockerfile.read_text(), flags=re.MULTILINE)
    lines = re.sub(r'\\\n\s*', '', text).splitlines()
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines if line]


class TestDockerfile:
    PATH = ROOT / 'Dockerfile'
    STEPS = steps_of(PATH)

    def test_passes_the_linter(self) -> None:
        assert passes('hadolint', self.PATH)

    def test_installs_only_locked_packages(self) -> None:
        installs = [step for name, step in self.STEPS if name == 'RUN' and 'pip install' in step]

        [locked, own_package] = installs
        assert '--require-hashes' in locked
        assert '--no-build-isolation' in own_package
        assert '--editable . ' in own_package
        assert all('--no-deps' in step for step in installs)

    def test_installs_entry_points_in_the_folder_of_the_code(self) -> None:
        folders = [step for name, step in self.STEPS if name == 'WORKDIR']
        installed = self.STEPS.index(('COPY', 'pyproject.toml .'))

        assert folders == ['/app', '/app']
        assert 'WORKDIR' in [name for name, _ in self.STEPS[:installed]]

    def test_ends_as_an_unprivileged_user(self) -> None:
        assert [step for name, step in self.STEPS if name == 'USER'] == ['10001:10001']
        after = self.STEPS[[name for name, _ in self.STEPS].index('USER') :]
        assert not {name for name, _ in after} & {'COPY', 'ADD', 'RUN', 'FROM'}

    def test_starts_with_the_command_of_the_procfile(self) -> None:
        assert json.loads(dict(self.STEPS)['CMD']) == WEB

    def test_copies_exactly_the_files_that_dockerignore_allows(self) -> None:
        copies = [shlex.split(step) for name, step in self.STEPS if name == 'COPY']
        sources = {s for copy in copies if '--from=packages' not in copy for s in copy[:-1]}
        ignore = (ROOT / '.dockerignore').read_text().split('\n')

        assert '*' in ignore
        assert sources == {line[1:].rstrip('/') for line in ignore if line.startswith('!')}
        assert all((ROOT / source).exists() for source in sources)


class TestMakefile:
    def run_make(self, folder: Path, code: int) -> tuple[int, str, str]:
        """Run `make contracts` with a script that replaces import-linter.

        Returns the exit code, the output, and a line for each run of the script.
        """
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

    def test_is_valid(self) -> None:
        assert passes('honcho', 'check')

    def test_has_a_name_and_a_command_on_every_line(self) -> None:
        processes = dict(re.fullmatch(r'([a-z]+): (\S.*)', line).groups() for line in self.LINES)

        assert len(processes) == len(self.LINES)
        assert shlex.split(processes['release']) == ['flask', 'db', 'upgrade']
        assert shlex.split(processes['web']) == ['HOST=0.0.0.0', *WEB]
        assert shlex.split(processes['worker']) == WORKER

    def test_runs_installed_programs(self) -> None:
        for line in self.LINES:
            words = [word for word in shlex.split(line)[1:] if '=' not in word]
            assert (BIN / words[0]).exists()


class TestHealthcheck:
    def run_check(self, port: int, **environment: str) -> int:
        return subprocess.run(
            [sys.executable, 'deploy/healthcheck.py'],
            cwd=ROOT,
            env={'PORT': str(port)} | environment,
        ).returncode

    def test_succeeds_when_the_service_responds(self) -> None:
        with small_service() as service:
            assert self.run_check(service.port, TRUSTED_HOSTS='api.example.com other.example') == 0

    def test_fails_when_no_service_listens(self) -> None:
        assert self.run_check(free_port()) == 1
