"""Translation of violated unique constraints into API errors."""

import pytest
from sqlalchemy.exc import IntegrityError

from project.core.clock import now
from project.core.database.constraints import translate_unique_violations
from project.core.database.session import atomic, db
from project.core.errors import Conflict
from project.core.throttling import ThrottleCounter
from project.users.models import User


class NameTaken(Conflict):
    field = 'username'


class EmailTaken(Conflict):
    field = 'email'


def add_user(username, email, **changes):
    values = {'username': username, 'email': email, 'email_key': email, 'version': 1, **changes}
    with atomic(), translate_unique_violations(username=NameTaken, email_key=EmailTaken):
        db.session.add(User(**values))


class TestTranslateUniqueViolations:
    def test_writes_the_rows_of_the_block(self):
        add_user('ada', 'ada@example.com')

        assert User.find_by_username('ada').email == 'ada@example.com'

    def test_raises_the_error_given_for_the_column(self):
        add_user('ada', 'ada@example.com')

        with pytest.raises(NameTaken):
            add_user('ada', 'eve@example.com')
        with pytest.raises(EmailTaken):
            add_user('eve', 'ada@example.com')
        assert User.find_by_username('eve') is None

    def test_ignores_column_names_in_the_values(self):
        add_user('ada', 'username@example.com')

        with pytest.raises(EmailTaken):
            add_user('eve', 'username@example.com')

    def test_does_not_translate_other_violations(self):
        with (
            pytest.raises(IntegrityError),
            atomic(),
            translate_unique_violations(username=NameTaken, email_key=EmailTaken),
        ):
            db.session.add(User(username='ada', email='a@example.com', email_key=None))

    def test_does_not_translate_constraints_without_an_error(self):
        def add():
            with atomic(), translate_unique_violations(username=NameTaken):
                db.session.add(
                    ThrottleCounter(kind='pin', target_hash='x', attempts=1, resets_at=now())
                )

        add()
        db.session.expunge_all()

        with pytest.raises(IntegrityError):
            add()

    def test_prefers_the_longest_name_that_fits(self):
        add_user('ada', 'ada@example.com')

        with pytest.raises(EmailTaken), atomic(), translate_unique_violations(
            key=NameTaken, email_key=EmailTaken
        ):  # fmt: skip
            db.session.add(User(username='eve', email='x', email_key='ada@example.com', version=1))
