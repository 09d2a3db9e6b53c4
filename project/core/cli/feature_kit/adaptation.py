"""Changes to the lines of the template that the type and the options of a field need."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from .fields import Field
from .words import Words

ENUM_MEMBERS = re.compile(r"    fine = 'fine'\n    damaged = 'damaged'\n")

# How the lines of a required field differ from those of an optional one.
OPTIONAL_LINES = (
    ('this row is deleted, too', 'it becomes empty'),
    (r'Mapped\[(.+)\] = mapped_column', r'Mapped[\1 | None] = mapped_column'),
    (r'NotRequired\[(.+)\]$', r'NotRequired[\1 | None]'),
    (r'^(\s+\w+: (?!Mapped|NotRequired)[\w\[\], ]+?)(,?)$', r'\1 | None\2'),
    (r'required=True', 'load_default=None, allow_none=True'),
    (r'(fields\.Enum\(\w+)(?!.*allow_none)', r'\1, allow_none=True'),
    (
        r'( = (?:Text|Boolean|FixedDecimal|Integer|JsonObject|Timestamp|fields\.\w+)\()'
        r'(?!.*allow_none)',
        r'\1allow_none=True, ',
    ),
)


@dataclass(frozen=True, slots=True)
class Reference:
    """The target of a field of type `ref`.

    :param singular: the name of the model, such as `invoice`: the feature has a service function
        `find_invoice(owner_id, invoice_id)`, and a factory `InvoiceFactory`.
    :param has_uuid: whether the key is a UUID instead of an integer.
    :param is_owned: whether each row belongs to a user.
    :param own_module: the module of the service function, if it belongs to the same feature.
    """

    feature: str
    table: str
    singular: str
    has_uuid: bool
    is_owned: bool
    own_module: str | None = None


USERS = Reference('users', 'users', 'user', has_uuid=False, is_owned=False)


def adapt_lines(field: Field, text: str, references: Mapping[str, Reference]) -> str:
    """Return the lines of the template for a field of the same type."""
    if field.kind == 'enum':
        members = ''.join(f"    {value} = '{value}'\n" for value in field.arguments)
        text = ENUM_MEMBERS.sub(members, text)
        text = text.replace("'damaged'", f"'{field.arguments[-1]}'")
    if field.kind == 'ref':
        text = _refer(text, references[field.arguments[0]], is_optional=field.is_optional)
    if field.is_optional:
        for pattern, replacement in OPTIONAL_LINES:
            text = re.sub(pattern, replacement, text, flags=re.MULTILINE)
    return text.replace('(allow_none=True, )', '(allow_none=True)')


def _refer(text: str, target: Reference, *, is_optional: bool) -> str:
    """Return the lines of a reference to users as those of a reference to another table."""
    is_of_user = target.table == USERS.table
    if 'delete_batch' in text or '_id_of_the_user' in text:
        # The database deletes or updates rows that refer to other tables.
        return text if is_of_user and not is_optional else ''
    if is_optional or not is_of_user:
        action = 'SET NULL' if is_optional else 'CASCADE'
        text = text.replace("'users.id')", f"'{target.table}.id', ondelete='{action}')")
    if target.has_uuid:
        text = re.sub(r'\bint\b', 'UUID', text)
        text = re.sub(r'\b(fields\.Int|Integer)\(', 'fields.UUID(', text)
        text = re.sub(r'QueryInteger\(.*\)$', 'fields.UUID()', text, flags=re.MULTILINE)
        text = text.replace('2**31 - 1', 'UUID(int=0)')
    return _find(text, target)


def _find(text: str, target: Reference) -> str:
    """Replace the function that finds a user, and the factory of users."""
    factory = f'{Words(target.singular).pascal}Factory'
    module = '' if target.own_module else f'{target.feature}.'
    arguments = '(owner_id, dealer_id)' if target.is_owned else '(dealer_id)'
    text = text.replace('users.find_user(dealer_id)', f'{module}find_{target.singular}{arguments}')
    if target.is_owned:
        text = text.replace('_exists(', '_exists(owner_id, ').replace(
            'def _ensure_dealer_exists(owner_id, ', 'def _ensure_dealer_exists(owner_id: int, '
        )
        row = f'{factory}(owner=owner).id'
        text = text.replace('UserFactory().id', f'str({row})' if target.has_uuid else row)
        text = text.replace(
            'SubFactory(UserFactory)', f"SubFactory({factory}, owner=SelfAttribute('..owner'))"
        )
    return text.replace('UserFactory', factory)


def add_imports(text: str, target: Reference) -> str:
    """Add the imports that a reference needs; ruff deletes unused ones."""
    service = f'from project.{target.feature} import service as {target.feature}\n'
    if target.own_module:
        service = f'from .{target.own_module} import find_{target.singular}\n'
    factories = f'from tests.{target.feature}.factories import '
    if target.own_module and 'import ModelFactory' in text:
        factories = ''  # The factory is defined in this module.
    factory = f'{Words(target.singular).pascal}Factory\n' if factories else ''
    for known, wanted in (
        ('import pytest\n', 'from uuid import UUID\n'),
        ('from tests.factories import ModelFactory\n', 'from factory import SelfAttribute\n'),
        ('from project.users import service as users\n', service),
        ('from tests.users.factories import UserFactory\n', f'{factories}{factory}'),
    ):
        text = text.replace(known, known + wanted)
    return text
