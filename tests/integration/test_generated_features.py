"""A generated feature passes all checks, and its removal leaves no file or table.

`.ci/run` runs this test; `make test` does not, because it starts a dozen processes. `make soak`
runs the long tests in `generated_features.py`.
"""

import pytest

from .generated_features import ALL_FIELDS, Repository

pytestmark = pytest.mark.servers


class TestFeatureNew:
    @pytest.mark.timeout(600)
    def test_creates_a_feature_that_passes_all_checks_and_can_be_removed(self, tmp_path):
        repository = Repository(tmp_path)
        (repository.folder / 'var').mkdir()

        repository.flask('feature', 'new', 'zz_bills', '--fields', ALL_FIELDS)
        repository.flask('db', 'upgrade')
        output = repository.flask('feature', 'check', 'zz_bills')
        repository.flask('feature', 'remove', 'zz_bills')

        assert 'FAILED' not in output
        assert repository.git('status', '--short') == ''
        repository.flask('db', 'check')
