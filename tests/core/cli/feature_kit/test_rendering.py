"""The text of generated files."""

import re

import pytest

from project.core.cli.feature_kit.adaptation import USERS, Reference
from project.core.cli.feature_kit.fields import parse_fields
from project.core.cli.feature_kit.rendering import Model, render_files
from project.core.cli.feature_kit.repository import TEMPLATE
from project.core.cli.feature_kit.words import Words, plural_of

FILE = Reference('files', 'files', 'file', has_uuid=True, is_owned=True)


def rendered(feature, model, fields, **references):
    """Return the text of each file of a new feature, by path."""
    words = Words(feature), Words(model), Words(plural_of(model))
    requires = ['users', *(target.feature for target in references.values())]
    generated = Model(*words, parse_fields(fields), {'users': USERS, **references}, requires)
    return {str(path): text for path, text in render_files(TEMPLATE, generated)}


class TestRenderFiles:
    def test_names_files_after_feature_and_model(self):
        paths = rendered('billing', 'credit_item', 'name:str').keys()

        assert {
            'project/billing/routes/credit_items.py',
            'tests/billing/routes/test_credit_items.py',
            'docs/features/billing.md',
        } <= paths

    def test_leaves_no_name_of_the_template(self):
        files = rendered('billing', 'credit_item', 'name:str:unique')

        for path, text in files.items():
            assert not re.search(r'(?i)rare.?book|book.?club|shelf.?mark|subtitle', text), path

    def test_uses_the_form_of_each_place(self):
        files = rendered('billing', 'credit_item', 'name:str')

        routes = files['project/billing/routes/credit_items.py']
        assert "'/credit-items/<uuid:credit_item_id>'" in routes
        assert '"""List your credit items."""' in routes
        models = files['project/billing/models/credit_items.py']
        assert "__tablename__ = 'billing_credit_items'" in models
        assert 'class CreditItem(Base):' in models

    def test_omits_the_topic_if_the_model_has_the_name_of_the_feature(self):
        files = rendered('orders', 'order', 'name:str')

        assert "__tablename__ = 'orders'" in files['project/orders/models/orders.py']
        assert "URL = '/api/v1/orders'\n" in files['tests/orders/routes/test_orders.py']
        assert 'add_command' not in files['project/orders/cli/orders.py']

    def test_does_not_import_a_factory_from_its_own_module(self):
        files = rendered('users', 'badge', 'name:str')

        assert 'import UserFactory' not in files['tests/users/factories.py']

    def test_declares_optional_fields_everywhere(self):
        files = rendered('orders', 'order', 'due:date:optional')

        models = files['project/orders/models/orders.py']
        assert 'due: Mapped[date | None] = mapped_column()' in models
        assert "'due': Order.due" not in models
        routes = files['project/orders/routes/orders.py']
        assert 'due = fields.Date(load_default=None, allow_none=True)' in routes
        assert 'due: NotRequired[date | None]' in routes
        assert '    due = fields.Date()\n    sort = ' in routes
        assert 'due = fields.Date(allow_none=True, metadata=' in files['project/orders/schemas.py']

    def test_lists_the_values_of_an_enumeration(self):
        rows = rendered('orders', 'order', 'state:enum(open,paid,void)')['project/orders/rows.py']

        assert "    open = 'open'\n    paid = 'paid'\n    void = 'void'\n" in rows

    def test_refers_to_rows_of_the_owner(self):
        files = rendered('orders', 'order', 'scan:ref(files)', files=FILE)

        models = files['project/orders/models/orders.py']
        assert (
            "scan_id: Mapped[UUID] = mapped_column(ForeignKey('files.id', ondelete='CASCADE')"
            in (models)
        )
        service = files['project/orders/service/orders.py']
        assert 'files.find_file(owner_id, scan_id) is None' in service
        assert '_ensure_scan_exists(owner_id, scan_id)\n' in service
        assert "requires = ('users', 'files')" in files['project/orders/__init__.py']

    @pytest.mark.parametrize('is_optional', [False, True])
    def test_erases_rows_that_refer_to_a_user_unless_the_reference_is_optional(self, is_optional):
        fields = 'customer:ref(users)' + ':optional' * is_optional
        files = rendered('orders', 'order', fields)

        service = files['project/orders/service/orders.py']
        assert ('Order.customer_id == user_id' in service) is not is_optional
        models = files['project/orders/models/orders.py']
        assert ("ondelete='SET NULL'" in models) is is_optional
