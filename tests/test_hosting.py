"""The hooks of pre-commit and the workflow of the hosting site only call our own commands."""

import os
import re
from pathlib import Path

import pytest
import yaml

from tests.all_checks import REMEDIES, TESTS

ROOT = Path(__file__).resolve().parent.parent
WORKFLOW = ROOT / '.github' / 'workflows' / 'ci.yml'
TARGETS = set(re.findall(r'^([a-z]+):', (ROOT / 'Makefile').read_text(), re.MULTILINE))
MAKE_PATTERN = re.compile(r'\bmake (?:--[a-z-]+ )*([a-z]+)')


@pytest.fixture(scope='module')
def hooks():
    """Return all hooks."""
    config = yaml.safe_load((ROOT / '.pre-commit-config.yaml').read_text())
    return [hook for repository in config['repos'] for hook in repository['hooks']]


@pytest.fixture(scope='module')
def workflow():
    """Return the workflow."""
    return yaml.safe_load(WORKFLOW.read_text())


@pytest.fixture(scope='module')
def steps(workflow):
    """Return the steps of all jobs of the workflow."""
    return [step for job in workflow['jobs'].values() for step in job['steps']]


class TestHooks:
    def test_call_all_targets_of_make_sure_except_the_tests(self, hooks):
        called = [MAKE_PATTERN.fullmatch(hook['entry'])[1] for hook in hooks]

        assert sorted(called) == sorted(set(REMEDIES) - {TESTS})
        assert set(called) <= TARGETS


class TestWorkflow:
    def test_calls_make_sure_and_the_complete_checks(self, steps):
        commands = '\n'.join(step.get('run', '') for step in steps)

        assert 'sure' in MAKE_PATTERN.findall(commands)
        assert set(MAKE_PATTERN.findall(commands)) <= TARGETS
        assert '.ci/run' in commands
        assert os.access(ROOT / '.ci' / 'run', os.X_OK)

    def test_audits_all_pinned_packages_strictly(self, steps):
        audits = [step['run'] for step in steps if step.get('run', '').startswith('pip-audit')]

        audited = {re.search(r'-r (\S+)$', audit)[1] for audit in audits}
        assert audited == {f'requirements/{p.name}' for p in (ROOT / 'requirements').glob('*.txt')}
        assert all('--strict' in audit.split() for audit in audits)

    def test_may_only_read_the_repository(self, workflow):
        assert workflow['permissions'] == {'contents': 'read'}
        assert [job for job in workflow['jobs'].values() if 'permissions' in job] == []

    def test_uses_actions_of_one_version(self, steps):
        used = {step['uses'] for step in steps if 'uses' in step}

        assert used
        assert [name for name in used if not re.fullmatch(r'[\w/-]+@v\d+\.\d+\.\d+', name)] == []

    def test_has_a_time_limit_for_each_job(self, workflow):
        assert all(job['timeout-minutes'] <= 45 for job in workflow['jobs'].values())
