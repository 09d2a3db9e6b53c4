"""Names of features: if two features register the same name, the start fails and names both."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Blueprint, Flask
from marshmallow import Schema
from sqlalchemy import Column, ForeignKey, Integer, Table

from project.core import table_owners, throttling
from project.core.cli.feature_commands import add_commands
from project.core.cli.toolkit import FeatureGroup
from project.core.database import keyset_pagination
from project.core.features import Feature
from project.core.mail.previews import validate_mail_names
from project.core.registration import RegistrationError, Registry
from project.core.security import permissions
from project.core.security.permissions import register_permission
from project.core.tasks import registry
from project.core.tasks.registry import task
from project.core.throttling import DAY, AttemptCounter
from project.core.web.endpoints import route_owners
from project.core.web.endpoints.access import authenticated
from project.users import personal_data
from project.users.personal_data import ExportFile, personal_data_registry
from tests.planted_features import (
    BILL,
    MAIL,
    add_task,
    define_list,
    define_table,
    mount,
    new_base,
    register_data,
    route,
    run,
    start,
    validate,
)

FEATURES = (Feature('zz_mail', ()), Feature('zz_bill', ()))
Plant = Callable[[Any], None]
VIOLATIONS: list[tuple[str, str, Plant, str]] = []


def violation(noun: str, way: str, message: str) -> Callable[[Plant], Plant]:
    """Return a decorator for functions that register a name wrongly, with the expected message."""

    def add(plant: Plant) -> Plant:
        VIOLATIONS.append((noun, way, plant, message))
        return plant

    return add


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Any:
    """Empty all registries for the test; return a namespace with values for the violations."""
    for module, name, values in (
        (keyset_pagination, '_lists', Registry('list', has_prefix=True)),
        (throttling, '_registry', Registry('attempt counter')),
        (registry, '_tasks', Registry('task', has_prefix=True)),
        (registry, '_names', {}),
        (permissions, '_permissions', Registry('permission')),
        (permissions, '_prefixes', Registry('permission prefix')),
        (personal_data, '_registry', []),
        (personal_data, '_tables', Registry('table with personal data')),
    ):
        monkeypatch.setattr(module, name, values)
    for module in (route_owners, table_owners):
        monkeypatch.setattr(module, 'find_features', lambda: FEATURES)
    app = Flask('project', static_folder=None, root_path=str(tmp_path))
    return SimpleNamespace(app=app, folder=tmp_path, monkeypatch=monkeypatch)


@violation('cursor', 'direct', f"list 'zz_mail' is registered by {MAIL} and by {BILL}")
def _(world: Any) -> None:
    define_list(MAIL, 'zz_mail')
    define_list(BILL, 'zz_mail')


@violation('cursor', 'string', f"list 'letters' of {BILL} must begin with 'zz_bill'")
def _(world: Any) -> None:
    define_list(BILL, 'letters')


@violation('attempt counter', 'direct', f"'zz' is registered by {MAIL} and by {BILL}")
def _(world: Any) -> None:
    code = "Counter(name='zz', owner=__name__, scope='', limit=1, period=day, **texts)"
    for each in (MAIL, BILL):
        run(each, code, Counter=AttemptCounter, day=DAY, texts={'recovery': '', 'command': ''})


@violation('task', 'direct', f"task 'zz_mail.deliver' is registered by {MAIL} and by {BILL}")
def _(world: Any) -> None:
    add_task(MAIL, None)
    add_task(BILL, 'zz_mail.deliver')


@violation('task', 're-export', f"task 'zz_mail.deliver' is registered by {MAIL} and by {MAIL}")
def _(world: Any) -> None:
    deliver = add_task(MAIL, None)
    run(BILL, "task(idempotent='yes')(deliver)", task=task, deliver=deliver)


@violation('task', 'string', f"task 'users.deliver' of {BILL} must begin with 'zz_bill'; its")
def _(world: Any) -> None:
    add_task(BILL, 'users.deliver')


@violation('permission', 'direct', f"'zz_mail:read' of {BILL} has the prefix of {MAIL}")
def _(world: Any) -> None:
    register_permission('zz_mail:read', 'Read.', owner=MAIL)
    register_permission('zz_mail:read', 'Read.', owner=BILL, default=True)


@violation('permission', 'string', f"requires 'zz_mail:read', a permission of {MAIL}: add")
def _(world: Any) -> None:
    register_permission('zz_mail:read', 'Read.', owner=MAIL)
    blueprint = Blueprint('zz_bill', __name__, url_prefix='/zz-bill')
    route(BILL, blueprint, '', allow=authenticated('zz_mail:read'))
    start(world, blueprint)


@violation('export path', 'direct', f"personal data 'zz_mail' of {BILL} must begin with 'zz_bill'")
def _(world: Any) -> None:
    register_data('zz_mail', {})


@violation('export path', 'direct', f"table with personal data 'zz_mail' of {BILL} must begin with")
def _(world: Any) -> None:
    register_data('zz_bill', {'zz_mail': None})


@violation('export path', 'direct', f"'zz_mail/a.json' of {BILL} must begin with 'zz_bill/'")
def _(world: Any) -> None:
    register_data('zz_bill', {'zz_bill': 'zz_mail/a.json'})


@violation('export path', 'string', f"'zz_mail/a.json' of {BILL} must begin with 'zz_bill/'")
def _(world: Any) -> None:
    register_data('zz_bill', {}, ExportFile('zz_mail/a.json', ()))
    list(personal_data_registry()[0].files(1))


@violation('command', 'direct', "'zz-mail' is registered by project.zz_mail and by project.zz_bill")
def _(world: Any) -> None:
    groups = {each: [FeatureGroup('zz-mail')] for each in ('project.zz_mail', 'project.zz_bill')}
    add_commands(world.app, groups)


@violation('command', 're-export', "'zz' is registered by project.zz_mail and by project.zz_bill")
def _(world: Any) -> None:
    command = FeatureGroup('zz').command('zz')(lambda: None)
    add_commands(world.app, {'project.zz_mail': [command], 'project.zz_bill': [command]})


@violation('command', 'string', "'config' is registered by project.core and by project.zz_bill")
def _(world: Any) -> None:
    add_commands(world.app, {'project.zz_bill': [FeatureGroup('config')]})


@violation('command', 'string', "group 'bills' of project.zz_bill must begin with 'zz_bill'")
def _(world: Any) -> None:
    add_commands(world.app, {'project.zz_bill': [FeatureGroup('bills')]})


@violation('command', 're-export', f"'show' of project.zz_mail is a function of {BILL}")
def _(world: Any) -> None:
    group = FeatureGroup('zz-mail')
    group.command('show')(run(BILL, 'def show(): ...')['show'])
    add_commands(world.app, {'project.zz_mail': [group]})


@violation('URL prefix', 'direct', "'/zz-mail' of project.zz_bill must begin with 'zz_bill'")
def _(world: Any) -> None:
    mount(world, zz_bill=Blueprint('zz_bill', __name__, url_prefix='/zz-mail'))


@violation('URL prefix', 'string', "'/zz' of project.zz_bill must begin with 'zz_bill'")
def _(world: Any) -> None:
    mount(world, zz_bill=Blueprint('zz_bill', __name__, url_prefix='/zz/bill'))


@violation('URL prefix', 'string', "'/' of project.zz_bill must begin with 'zz_bill'")
def _(world: Any) -> None:
    mount(world, zz_bill=Blueprint('zz_bill', __name__))


@violation('URL prefix', 're-export', "'zz_mail' is registered by project.zz_mail and by")
def _(world: Any) -> None:
    blueprint = Blueprint('zz_mail', __name__, url_prefix='/zz-mail')
    mount(world, zz_mail=blueprint, zz_bill=blueprint)


@violation('route', 'direct', f'/zz-mail/x of {BILL}.show is below the prefix of project.zz_mail')
def _(world: Any) -> None:
    blueprint = Blueprint('zz_mail', __name__, url_prefix='/zz-mail')
    route(BILL, blueprint, '/x')
    start(world, blueprint)


@violation('route', 're-export', f'/api/v1/zz-bill/x of {MAIL}.show is below the prefix of')
def _(world: Any) -> None:
    blueprint = Blueprint('zz_bill', __name__, url_prefix='/zz-bill')
    route(MAIL, blueprint, '/x')
    start(world, blueprint)


@violation('route', 'string', f'/api/v1/x of {BILL}.show is below the prefix of project.core')
def _(world: Any) -> None:
    blueprint = Blueprint('zz_bill', __name__)
    route(BILL, blueprint, '/x')
    start(world, blueprint)


@violation('schema', 'direct', f"schema 'Row' is registered by {BILL} and by {MAIL}")
def _(world: Any) -> None:
    for module, name in ((BILL, 'zz_bill'), (MAIL, 'zz_mail')):
        blueprint = Blueprint(name, __name__, url_prefix=f'/{name.replace("_", "-")}')
        schema = type('RowSchema', (Schema,), {'__module__': module})
        route(module, blueprint, '', returns=schema)
        world.app.register_blueprint(blueprint, url_prefix=f'/api/v1{blueprint.url_prefix}')
    start(world)


@violation('mail', 'direct', "mail 'zz' is registered by project.zz_mail and by project.zz_bill")
def _(world: Any) -> None:
    for name in ('zz_mail', 'zz_bill'):
        (root := world.folder / name).joinpath('templates/mail/zz').mkdir(parents=True)
        world.app.register_blueprint(
            Blueprint(name, f'project.{name}', root_path=str(root), template_folder='templates')
        )
    validate_mail_names(world.app)


@violation('table', 'direct', f"table 'zz_mail_rows' of {BILL} must begin with 'zz_bill'")
def _(world: Any) -> None:
    base = new_base()
    define_table(base, BILL, 'zz_mail_rows')
    validate(base)


@violation('table', 're-export', f"table 'zz_mail' is registered by {BILL} and by {MAIL}")
def _(world: Any) -> None:
    base = new_base()
    letter = define_table(base, MAIL, 'zz_mail')
    type('Bill', (letter,), {'__module__': BILL})
    validate(base)


@violation('table', 'string', "table 'letters' must begin with the name of its feature")
def _(world: Any) -> None:
    base = new_base()
    Table('letters', base.metadata)
    validate(base)


@violation('foreign key', 'direct', f'zz_bill.mail_id of {BILL} refers to zz_mail.id of {MAIL}')
def _(world: Any) -> None:
    base = new_base()
    letter = define_table(base, MAIL, 'zz_mail')
    define_table(base, BILL, 'zz_bill', mail_id=Column(ForeignKey(letter.__table__.c.id)))
    validate(base)


@violation('foreign key', 'string', f'zz_bill.mail_id of {BILL} refers to zz_mail.id of {MAIL}')
def _(world: Any) -> None:
    base = new_base()
    # Without this reference, the garbage collection may delete the class before the check.
    letter = define_table(base, MAIL, 'zz_mail')
    key = ForeignKey(f'{letter.__tablename__}.id')
    define_table(base, BILL, 'zz_bill', mail_id=Column(Integer, key))
    validate(base)


class TestRegistries:
    @pytest.mark.parametrize(
        ('plant', 'message'),
        [row[2:] for row in VIOLATIONS],
        ids=[f'{row[0]} by {row[1]}: {row[3]}' for row in VIOLATIONS],
    )
    def test_reject_a_name_of_another_feature_and_name_the_owners(self, world, plant, message):
        with pytest.raises(RegistrationError) as error:
            plant(world)

        assert message in str(error.value)

    def test_accept_names_of_the_own_feature(self, world):
        define_list(BILL, 'zz_bill_rows')
        add_task(BILL, None)
        register_permission('zz_bill:read', 'Read.', owner=BILL)
        blueprint = Blueprint('zz_bill', __name__, url_prefix='/zz-bill')
        route(BILL, blueprint, '/x', allow=authenticated('zz_bill:read'))
        start(world, blueprint)
        mount(world, zz_bill=Blueprint('zz_bill', __name__, url_prefix='/zz-bill'))
        add_commands(world.app, {'project.zz_bill': [FeatureGroup('zz-bill')]})
        base = new_base()
        define_table(base, BILL, 'zz_bill')
        validate(base)
