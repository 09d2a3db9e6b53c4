"""Adaptation of the template's lines for a field to the type and the options of a new field."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from .fields import Field
from .words import Words

ENUM_MEMBERS = re.compile(r"    fine = 'fine'\n    damaged = 'damaged'\n")

# The template has lines of a required field. For an optional field, each pattern is replaced by
# the text beside it.
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

    :param feature: the feature to which the target table belongs.
    :param table: the target table.
    :param singular: the name of the target model, such as `invoice`. The code uses it in the names
        `find_invoice(owner_id, invoice_id)` (a service function) and `InvoiceFactory`.
    :param has_uuid: whether the primary key of the table is a UUID instead of an integer.
    :param is_owned: whether each row of the table belongs to a user.
    :param own_module: the module that defines `find_invoice`, if the field and the table belong to
        the same feature; otherwise None.
    """

    feature: str
    table: str
    singular: str
    has_uuid: bool
    is_owned: bool
    own_module: str | None = None


USERS = Reference('users', 'users', 'user', has_uuid=False, is_owned=False)


def adapt_lines(field: Field, text: str, references: Mapping[str, Reference]) -> str:
    """Return the lines of the template's example field, changed for a new field of its type.

    :param text: the lines of the example field.
    :param references: the target of each field of type `ref`, by the argument of `ref`.
    """
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
    """Return lines that refer to users, changed so that they refer to the target table."""
    is_of_user = target.table == USERS.table
    if 'world.users' in text and not is_of_user:
        return ''  # The factory creates the row of another table.
    if 'delete_batch' in text or '_id_of_the_user' in text:
        # Code deletes rows that refer to a deleted user. The foreign keys to other tables do this
        # themselves (`ondelete`), so no lines are needed.
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
    """Replace `users.find_user` and `UserFactory` by the function and factory of the target."""
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
    """Add all imports that a reference may need; ruff later deletes the unused ones."""
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
