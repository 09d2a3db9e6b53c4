"""`flask db check`: heads, borders between features, and accepted operations."""

import pytest

from project.core.database.migrations import checks
from project.core.database.migrations.checks import FIRST_RELEASE
from project.core.database.migrations.folders import feature_of_migration, script_directory

DROP = "op.drop_column('books', 'color')"
ACCEPTED = "accepted = {'drop column books.color': 'No code has used it since 0.2.0.'}"
LINE = 'versions/books/20990101_books3.py: '


class TestSeveralHeads:
    def test_names_the_feature_and_the_command(self, migrations):
        migrations.add('pass')
        migrations.add('pass')

        assert migrations.faults() == [
            'versions/books: several heads: 20990101_books3.py and 20990101_books4.py have no '
            'migration after them. Remedy: flask db merge books'
        ]

    def test_accepts_a_merge(self, migrations):
        heads = (migrations.add('pass'), migrations.add('pass'))
        migrations.add('pass', after=heads)

        assert migrations.faults() == []


class TestAccepted:
    def test_operation_is_no_fault(self, judge):
        assert judge(DROP, variables=ACCEPTED) == []

    def test_operation_needs_a_reason(self, judge):
        [line] = judge(DROP, variables="accepted = {'drop column books.color': ' '}")

        assert line.startswith(f'{LINE}drop column books.color: accepted without a reason.')

    def test_operation_must_exist(self, judge):
        [line] = judge('pass', variables=ACCEPTED)

        assert line.startswith(f'{LINE}drop column books.color: accepted, but')

    @pytest.mark.parametrize('value', ["['drop column books.color']", "{'x': 1}", "'all'"])
    def test_operations_must_be_a_mapping(self, judge, value):
        lines = judge(DROP, variables=f'accepted = {value}')

        assert lines[0].startswith(f'{LINE}accepted: is not a mapping of operations to reasons.')


class TestFirstRelease:
    def test_and_all_migrations_before_it_are_not_judged(self, migrations, monkeypatch):
        unsafe = migrations.add(DROP)
        released = migrations.add(DROP, after=unsafe)
        migrations.add(DROP, after=released)
        monkeypatch.setattr(checks, 'FIRST_RELEASE', {'books': released})

        [line] = migrations.faults()
        assert line.startswith('versions/books/20990101_books5.py: drop column')

    def test_has_a_revision_of_each_feature_of_that_time(self, app):
        found = {m.revision: feature_of_migration(m) for m in script_directory().walk_revisions()}
        # A removed feature has no migrations.
        expected = {name: it for name, it in FIRST_RELEASE.items() if name in found.values()}

        assert {name: found[it] for name, it in expected.items()} == {n: n for n in expected}
        assert {'core', 'users'} <= set(expected)

    def test_cannot_be_claimed_by_a_migration(self, judge):
        assert len(judge(DROP, variables="baseline = '0.1.0'")) == 1


class TestEnums:
    COLUMN = "op.add_column('books', sa.Column('mood', sa.Enum('calm', name='mood')))"
    CREATE = "sa.Enum('calm', name='mood').create(op.get_bind(), checkfirst=True)"

    def test_need_a_statement_that_creates_the_type(self, judge):
        [line] = judge(self.COLUMN)

        assert line.startswith(f'{LINE}use type mood: no statement creates it on PostgreSQL. ')

    @pytest.mark.parametrize(
        'body', [CREATE, "op.execute('CREATE TYPE public.mood AS ENUM ()')",
                 "op.create_table('books_x', sa.Column('x', sa.Enum('calm', name='mood')))"]
    )  # fmt: skip
    def test_can_be_created_by_an_earlier_migration(self, migrations, body):
        created = migrations.add(body)
        migrations.add(self.COLUMN, after=created)

        assert migrations.faults() == []

    def test_can_be_text(self, judge):
        assert judge(self.COLUMN.replace("name='mood'", 'native_enum=False, length=9')) == []


class TestForeignTables:
    @pytest.mark.parametrize(
        'body',
        [
            "op.add_column('shelves', sa.Column('x', sa.Text()))",
            "op.execute('insert into shelves (id) select id from books')",
            "op.execute('WITH x AS (DELETE FROM shelves WHERE id = 1) SELECT 1')",
        ],
    )
    def test_must_not_be_changed(self, judge, body):
        [line] = judge(body, depends_on='shelves0')

        assert line.startswith(f'{LINE}change shelves: the table belongs to shelves. Remedy: ')

    @pytest.mark.parametrize('statement', ['DROP TABLE', 'TRUNCATE'])
    def test_are_found_in_a_list(self, judge, statement):
        lines = judge(f"op.execute('{statement} books_x, ONLY shelves')", depends_on='shelves0')

        assert any(line.startswith(f'{LINE}change shelves: ') for line in lines)

    def test_can_be_read_after_the_migration_that_creates_them(self, migrations):
        read = "op.execute('UPDATE books SET color = (SELECT color FROM shelves)')"
        first = migrations.add(read)

        [line] = migrations.faults()
        assert line.startswith(f'{LINE}read shelves: ')
        assert line.endswith('name the migration of shelves in `depends_on`')

        migrations.add(read, depends_on='shelves0', after=first)
        assert migrations.faults() == [line]

    def test_can_be_referenced(self, judge):
        key = "sa.Column('id', sa.Integer(), sa.ForeignKey('shelves.id'))"

        assert judge(f"op.create_table('books_x', {key})") == []


class TestErrors:
    def test_are_reported_in_one_line(self, judge):
        [line] = judge("raise ValueError('no\\nrows')")

        assert line.startswith(f'{LINE}upgrade: fails on an empty database: no. Remedy: ')
