"""The combination of the features in version 1 of the API."""

import sys
from types import SimpleNamespace

import pytest

from project import api
from project.core.features import FeatureInvalid, find_features
from project.core.security.authentication import NO_AUTHENTICATION

AUTHENTICATION = NO_AUTHENTICATION


@pytest.fixture
def packages(monkeypatch):
    """Replace all features by two that do not export `authentication`; return them by name."""
    packages = {'zz_one': SimpleNamespace(), 'zz_two': SimpleNamespace()}
    monkeypatch.setattr(api, 'PACKAGES', packages)
    return packages


class TestFindAuthentication:
    def test_returns_that_of_the_feature_that_exports_it(self, packages):
        packages['zz_two'].authentication = AUTHENTICATION

        assert api.find_authentication() is AUTHENTICATION

    def test_returns_none_without_a_feature_that_exports_it(self, packages):
        assert api.find_authentication() is None

    def test_rejects_a_second_one(self, packages):
        for package in packages.values():
            package.authentication = AUTHENTICATION

        with pytest.raises(
            FeatureInvalid, match='only one feature may export authentication: zz_one, zz_two'
        ):
            api.find_authentication()


class TestPackages:
    def test_are_those_of_all_features(self):
        features = [feature.name for feature in find_features()]

        assert list(api.PACKAGES) == features
        assert [sys.modules[f'project.{name}'] for name in features] == [*api.PACKAGES.values()]
