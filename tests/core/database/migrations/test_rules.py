"""The rules of `flask db check`: which operations are safe during traffic."""

import pytest

AUTOCOMMIT = 'with op.get_context().autocommit_block():\n    '
SAFE = {
    'deletion of some rows in WITH': (
        "op.execute('WITH x AS (DELETE FROM books WHERE id = 1 RETURNING id) SELECT * FROM x')"
    ),
    'deletion of new tables': (
        "op.execute('CREATE TABLE books_a (id INT); CREATE TABLE books_b (id INT); '\n"
        "           'TRUNCATE books_a, books_b; DROP TABLE books_a, books_b')"
    ),
    'nullable column': "op.add_column('books', sa.Column('note', sa.Text()))",
    'column with a server default': (
        "op.add_column('books', sa.Column('n', sa.Integer(), nullable=False, server_default='0'))"
    ),
    'column with the time': (
        "op.add_column('books', sa.Column('at', sa.DateTime(), server_default=sa.func.now()))"
    ),
    'concurrent index': (
        AUTOCOMMIT
        + "op.create_index('ix_books_color', 'books', ['color'], postgresql_concurrently=True)"
    ),
    'concurrent index in SQL': (
        AUTOCOMMIT + "op.execute('create index concurrently ix_books_color on books (color)')"
    ),
    'deletion of an index': "op.drop_index('ix_books_color', table_name='books')",
    'concurrent deletion of an index': (
        AUTOCOMMIT + "op.drop_index('ix_books_color', postgresql_concurrently=True)"
    ),
    'rows in lower-case SQL': "op.execute('update books set color = null where color = \\'\\'')",
    'rows with sa.text': "op.execute(sa.text('UPDATE books SET color = :c').bindparams(c='red'))",
    'rows that a query reads': (
        "for [id] in op.get_bind().execute(sa.text('SELECT id FROM books')):\n    pass"
    ),
    'rows counted': (
        "if op.get_bind().scalar(sa.text('SELECT count(*) FROM books')) > 0:\n    raise ValueError"
    ),
    'unique constraint with a concurrent index': (
        AUTOCOMMIT
        + "op.create_index('uq', 'books', ['color'], unique=True, postgresql_concurrently=True)\n"
        "op.execute('ALTER TABLE books ADD CONSTRAINT uq UNIQUE USING INDEX uq')"
    ),
    'foreign key that is not valid': (
        "op.create_foreign_key('fk', 'books', 'books', ['id'], ['id'], postgresql_not_valid=True)"
    ),
    'foreign key, validated in another transaction': (
        "op.create_foreign_key('fk', 'books', 'books', ['id'], ['id'], postgresql_not_valid=True)\n"
        + AUTOCOMMIT
        + "op.execute('ALTER TABLE books VALIDATE CONSTRAINT fk')"
    ),
    'check that is not valid': (
        "op.execute('ALTER TABLE books ADD CONSTRAINT ck CHECK (id > 0) NOT VALID')"
    ),
    'value of an enum': 'op.execute("ALTER TYPE mood ADD VALUE \'calm\'")',
    'new table': (
        "op.create_table('books_notes', sa.Column('id', sa.Integer(), primary_key=True))\n"
        "op.create_index('ix_books_notes_id', 'books_notes', ['id'])\n"
        "op.create_unique_constraint('uq', 'books_notes', ['id'])"
    ),
    'batch': (
        "with op.batch_alter_table('books') as batch_op:\n"
        "    batch_op.add_column(sa.Column('note', sa.Text()))"
    ),
    'no longer required': "op.alter_column('books', 'color', nullable=True)",
    'comment and names in quotes': (
        "op.execute('''/* DROP TABLE books; */ UPDATE \"books\" SET color = $$DROP$$ -- x''')"
    ),
}
UNSAFE = {
    "op.execute('CREATE TABLE IF NOT EXISTS books (id INT)')\n"
    "op.drop_column('books', 'color')": 'drop column books.color',
    "op.execute('CREATE TABLE IF NOT EXISTS books (id INT)')\nop.drop_table('books')": (
        'drop table books'
    ),
    "op.execute('CREATE TABLE books_tmp (id INT)')\n"
    "op.execute('DROP TABLE IF EXISTS books_tmp, public.books CASCADE')": 'drop table books',
    "op.execute('CREATE TABLE books_tmp (id INT)')\n"
    "op.execute('TRUNCATE books_tmp, ONLY books RESTART IDENTITY')": 'truncate table books',
    "op.execute('WITH x AS (DELETE FROM ONLY books RETURNING id) SELECT count(*) FROM x')": (
        'delete all rows of books'
    ),
    "op.execute('WITH x AS (SELECT 1 WHERE true) DELETE FROM books')": 'delete all rows of books',
    "op.execute('delete from books returning (select 1 where true)')": 'delete all rows of books',
    "op.add_column('books', sa.Column('n', sa.Integer(), nullable=False))": 'add column books.n',
    "op.execute('alter table only books add n int default null not null')": 'add column books.n',
    "op.add_column('books', sa.Column('n', sa.Uuid(), server_default=sa.text('uuidv4()')))": (
        'add column books.n'
    ),
    "op.add_column('books', sa.Column('n', sa.Integer(), nullable=False, server_default='0'))\n"
    "op.alter_column('books', 'n', server_default=None)": 'drop default books.n',
    "op.alter_column('books', 'color', type_=sa.Text())": 'change type books.color',
    "op.drop_column('books', 'color')": 'drop column books.color',
    "op.execute('ALTER TABLE books ADD x INT, DROP color')": 'drop column books.color',
    "op.drop_table('books')": 'drop table books',
    "op.execute('truncate books')": 'truncate table books',
    "op.execute('delete from books')": 'delete all rows of books',
    "op.alter_column('books', 'color', new_column_name='hue')": 'rename column books.color',
    "op.rename_table('books', 'books_all')": 'rename table books',
    "op.create_index('ix_books_color', 'books', ['color'])": 'create index ix_books_color',
    "op.create_index('ix', 'books', ['color'], postgresql_concurrently=True)": 'create index ix',
    "op.drop_index('ix', postgresql_concurrently=True)": 'drop index concurrently ix',
    "op.create_unique_constraint('uq', 'books', ['color'])": 'add unique constraint uq',
    "op.create_primary_key('pk', 'books', ['color'])": 'add primary key pk',
    "op.create_foreign_key('fk', 'books', 'books', ['id'], ['id'])": 'add foreign key fk',
    "op.create_check_constraint('ck', 'books', 'id > 0')": 'add check constraint ck',
    "op.create_foreign_key('fk', 'books', 'books', ['id'], ['id'], postgresql_not_valid=True)\n"
    "op.execute('ALTER TABLE books VALIDATE CONSTRAINT fk')": 'validate constraint fk',
    "op.alter_column('books', 'color', nullable=False)": 'set not null books.color',
    "op.execute('ALTER TABLE books SET TABLESPACE fast')": 'set tablespace fast of books',
    "op.execute('LOCK books')": 'lock books',
    "op.execute('REINDEX TABLE books')": 'reindex table books',
    "op.execute('DO $$ BEGIN DROP TABLE books; END $$')": 'do $$ BEGIN DROP TABLE books; END $$',
    "op.add_column('books', sa.Column('note', sa.Text()))\n"
    + AUTOCOMMIT
    + "op.create_index('ix', 'books', ['note'], postgresql_concurrently=True)": (
        'alter table books'
    ),
}  # fmt: skip
VALIDATED = """op.execute('ALTER TABLE books ADD CONSTRAINT ck CHECK (color IS NOT NULL) NOT VALID')
with op.get_context().autocommit_block():
    op.execute('ALTER TABLE books VALIDATE CONSTRAINT ck')"""


class TestRules:
    @pytest.mark.parametrize('body', SAFE.values(), ids=SAFE)
    def test_accept(self, judge, body):
        assert judge(body) == []

    @pytest.mark.parametrize(('body', 'operation'), UNSAFE.items(), ids=UNSAFE.values())
    def test_find(self, judge, body, operation):
        [line] = judge(body)

        assert line.startswith(f'versions/books/20990101_books3.py: {operation}: ')
        assert 'Remedy: ' in line
        assert f"accepted = {{'{operation}': '<reason>'}}" in line

    def test_accept_a_required_column_after_a_validated_check(self, migrations):
        checked = migrations.add(VALIDATED)
        migrations.add("op.alter_column('books', 'color', nullable=False)", after=checked)

        assert migrations.faults() == []

    def test_find_every_unsafe_operation_of_a_statement(self, judge):
        lines = judge("op.execute('DROP TABLE books; ALTER TABLE books DROP x, DROP y')")

        assert [line.split(': ')[1] for line in lines] == [
            'drop table books', 'drop column books.x', 'drop column books.y',
        ]  # fmt: skip
