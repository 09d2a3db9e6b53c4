"""The combination of the features in version 1 of the API."""

import pytest

from project import api, auth
from project.core.features import FeatureInvalid


class TestFindAuthentication:
    def test_returns_that_of_auth(self):
        assert api.find_authentication() is auth.authentication

    def test_returns_none_without_a_feature_that_exports_it(self, monkeypatch):
        monkeypatch.delitem(api.PACKAGES, 'auth')

        assert api.find_authentication() is None

    def test_rejects_a_second_one(self, monkeypatch):
        monkeypatch.setattr('project.files.authentication', auth.authentication, raising=False)

        with pytest.raises(
            FeatureInvalid,
            match=r'only one feature may export authentication: (auth, files|files, auth)',
        ):
            api.find_authentication()
