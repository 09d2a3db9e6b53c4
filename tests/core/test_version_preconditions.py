"""The condition of a write on the version of its object."""

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, insert, select

from project.core.database.session import atomic, db
from project.core.version_preconditions import ANY_VERSION, Precondition, digest_of

THINGS = Table('things', MetaData(), Column('version', Integer), Column('hash', String(64)))


@pytest.fixture
def things(app):
    """Create a table with a thing of version 3 and the hash `aa`."""
    with atomic():
        THINGS.create(db.session.connection())
        db.session.execute(insert(THINGS).values(version=3, hash='aa'))


def condition(*accepted, **given):
    return Precondition(must_exist=True, accepted=frozenset(accepted), **given)


class TestVersionPrecondition:
    @pytest.mark.parametrize(
        ('given', 'is_met'),
        [
            (ANY_VERSION, True),
            (Precondition(must_exist=True), True),
            (condition('3'), True),
            (condition('2', '3'), True),
            (condition('2'), False),
            (condition(), False),
            (Precondition(must_not_exist=True), False),
            (Precondition(excluded=frozenset({'3'})), False),
            (Precondition(excluded=frozenset({'2', 'x'})), True),
            (condition('3', excluded=frozenset({'3'})), False),
            *(
                (condition(tag), False)
                for tag in ('03', '-3', '3.0', '²', '٣', '9999999999', '', 'x')
            ),
        ],
    )
    def test_is_compared_with_a_version_in_sql_and_python(self, things, given, is_met):
        found = db.session.execute(select(THINGS).where(given.on(THINGS.c.version))).all()

        assert (len(found) == 1) is is_met
        assert given.allows('3') is is_met

    @pytest.mark.parametrize(('tag', 'is_met'), [('aa', True), ('3', False), ('', False)])
    def test_is_compared_with_a_whole_etag_in_sql(self, things, tag, is_met):
        found = db.session.execute(select(THINGS).where(condition(tag).on(THINGS.c.hash))).all()

        assert (len(found) == 1) is is_met

    @pytest.mark.parametrize(
        ('tag', 'is_met'),
        [('7-3-x', True), ('8-3-x', False), ('7-3-y', False), ('7-2-x', False), ('3', False)],
    )
    def test_compares_the_parts_around_the_version(self, things, tag, is_met):
        clause = condition(tag).on(THINGS.c.version, prefix='7-', suffix='-x')

        assert (len(db.session.execute(select(THINGS).where(clause)).all()) == 1) is is_met

    @pytest.mark.parametrize(
        ('given', 'is_met'),
        [
            (ANY_VERSION, True),
            (Precondition(must_not_exist=True), True),
            (Precondition(must_exist=True), False),
            (condition('3'), False),
        ],
    )
    def test_decides_on_the_creation_of_an_object(self, given, is_met):
        assert given.allows(None) is is_met


class TestDigestOf:
    def test_depends_on_the_words_and_not_on_their_order(self):
        assert digest_of(['a', 'b']) == digest_of({'b', 'a'}) != digest_of(['ab'])
