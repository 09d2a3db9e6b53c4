"""Names of a generated model, and its merged files."""

import pytest

from project.core.cli.feature_kit.generation import ModelOptions, described_model


class TestDescribedModel:
    @pytest.mark.parametrize(
        ('feature', 'name', 'table', 'url'),
        [
            ('zz_billing', 'ZzBilling', 'zz_billing_zz_billings', '/zz-billing/zz-billings'),
            ('zz_orders', 'ZzOrder', 'zz_orders', '/zz-orders'),
        ],
    )
    def test_derives_the_model_from_the_name_of_the_feature(self, app, feature, name, table, url):
        model = described_model(feature, ModelOptions(None, None, 'name:str'), ())

        assert (model.name.pascal, model.table, model.url) == (name, table, f'/api/v1{url}')

    def test_does_not_require_its_own_feature(self, app):
        model = described_model('users', ModelOptions('Badge', None, 'name:str'), ())

        assert model.requires == []
