"""The check that SQL statements of a feature touch only tables that the feature may use."""

import sys
from types import SimpleNamespace

import pytest
from sqlalchemy import text

from project.core.database.session import atomic, db, execute_select
from project.core.database.sql_tables import tables_in
from project.core.features import PROJECT
from tests import sql_borders
from tests.sql_borders import Recorder, find_violation

BILL = 'project/zz_bill/service.py'
READ = 'WITH zz_mail_rows AS (SELECT 1) SELECT * FROM zz_mail_rows'


def run_in(path, code, **names):
    """Run code as if it was in a file of the project; return the names that it defines."""
    exec(compile(code, str(PROJECT.parent / path), 'exec'), names)
    return names


def violation_of(sql):
    """Return the violation if the caller of this function executed the statement, or None."""
    return find_violation(sql, sys._getframe(1))


@pytest.fixture(autouse=True)
def planted(monkeypatch):
    """Pretend that there are features `zz_…`: `zz_bill` requires `zz_base`, but not `zz_mail`."""
    required = {'zz_bill': {'zz_bill', 'zz_base'}, 'zz_base': {'zz_base'}, 'zz_mail': {'zz_mail'}}
    monkeypatch.setattr(sql_borders, 'required_by', lambda: required)
    yield
    # Otherwise the caches would still contain these features in later tests.
    for cached in (sql_borders.owner_of, sql_borders.owners_in, sql_borders.package_of):
        cached.cache_clear()


class TestFindViolation:
    def test_names_the_file_the_line_the_rule_and_the_remedy(self):
        found = run_in(BILL, '\nfound = f("SELECT 1 FROM zz_mail, zz_bill")', f=violation_of)[
            'found'
        ]

        assert str(found) == (
            'project/zz_bill/service.py:2: `zz_bill` executes SQL on zz_mail: SELECT 1 FROM '
            'zz_mail, zz_bill. Remedy: call a service function of `zz_mail` and add '
            "'zz_mail' to requires in project/zz_bill/__init__.py."
        )

    @pytest.mark.parametrize(
        'sql',
        [
            'SELECT * FROM zz_bill_rows', 'DELETE FROM zz_base', 'SELECT 1 FROM core_tasks, other',
            "UPDATE zz_bill SET x = ' FROM zz_mail'", 'SAVEPOINT zz_mail',
        ],
    )  # fmt: skip
    def test_accepts_tables_of_the_feature_of_those_it_requires_and_of_the_core(self, sql):
        assert run_in(BILL, 'found = f(sql)', f=violation_of, sql=sql)['found'] is None

    def test_finds_a_statement_that_a_function_of_the_core_executes(self):
        helper = run_in(
            'project/core/database/rows.py', 'def g(sql): return f(sql)', f=violation_of
        )

        found = run_in(BILL, 'found = g("SELECT 1 FROM zz_mail")', g=helper['g'])['found']

        assert found.place == f'{BILL}:1'

    def test_accepts_a_statement_of_another_feature_that_is_called(self):
        sql = 'SELECT 1 FROM zz_mail'
        called = run_in('project/zz_mail/models.py', 'def g(sql): return f(sql)', f=violation_of)
        receiver = SimpleNamespace(send=lambda: violation_of(sql))

        assert run_in(BILL, 'found = g(sql)', g=called['g'], sql=sql)['found'] is None
        # Statements of a function in a test, such as a receiver of a signal, are not checked.
        assert run_in(BILL, 'found = signal.send()', signal=receiver)['found'] is None

    def test_accepts_a_generator_of_the_core_that_a_feature_above_has_created(self):
        code = 'def rows(sql):\n    yield f(sql)'
        rows = run_in('project/core/database/rows.py', code, f=violation_of)['rows']

        found = {
            table: run_in(path, 'found = [*rows]', rows=rows(f'SELECT 1 FROM {table}'))['found'][0]
            for path, table in (
                ('project/zz_base/service.py', 'zz_bill'),
                ('project/zz_bill/service.py', 'zz_mail'),
            )
        }

        assert found['zz_bill'] is None
        assert found['zz_mail'].tables == ('zz_mail',)


class TestRecorder:
    @pytest.mark.parametrize(
        'code',
        [
            'with atomic(): db.session.execute(text(sql))',
            'connection = db.session.connection(); connection.exec_driver_sql(sql)',
            'execute_select(text(sql))',
        ],
    )
    def test_records_text_sql(self, code):
        names = {'atomic': atomic, 'db': db, 'execute_select': execute_select, 'text': text}

        run_in(BILL, code, sql=READ, **names)

        assert [found.tables for found in Recorder.violations] == [('zz_mail_rows',)]
        Recorder.violations.clear()

    def test_records_an_object_when_it_is_added(self):
        session, row = db.session, SimpleNamespace(__table__=SimpleNamespace(name='zz_mail_rows'))

        run_in(BILL, 'add(session, row)', add=sql_borders._record_added, session=session, row=row)

        assert [found.sql for found in Recorder.violations] == ['INSERT INTO zz_mail_rows']
        Recorder.violations.clear()

    def test_fails_the_test_that_has_executed_the_statement(self):
        call = sql_borders.pytest_runtest_call()
        next(call)
        run_in(
            BILL, 'execute_select(text(sql))', execute_select=execute_select, text=text, sql=READ
        )

        with pytest.raises(
            AssertionError, match=r'zz_bill/service\.py:1: `zz_bill` executes SQL on'
        ):
            call.send(None)
        assert Recorder.violations == []

    def test_records_nothing_of_a_test(self):
        execute_select(text(READ))

        assert Recorder.violations == []


class TestTablesIn:
    @pytest.mark.parametrize(
        ('sql', 'tables'),
        [
            ('SELECT a.b FROM a, b AS c, "d" WHERE x = 1', {'a', 'b', 'd'}),
            ('SELECT 1 FROM (SELECT id FROM a) AS x JOIN b r ON r.id = x.id, c', {'a', 'b', 'c'}),
            ('INSERT INTO a (b, c) VALUES (1, 2) ON CONFLICT (b) DO UPDATE SET c = 1', {'a'}),
            ('INSERT OR IGNORE INTO a SELECT x, y FROM b', {'a', 'b'}),
            ('update a set x = (select max(y) from b where z in (1, 2)) from c', {'a', 'b', 'c'}),
            ('WITH x AS (SELECT y FROM a FOR UPDATE) DELETE FROM b USING c', {'a', 'b', 'c'}),
            ("SELECT ' FROM x' -- FROM y\n/* FROM z */ FROM a FOR NO KEY UPDATE", {'a'}),
            ('TRUNCATE TABLE public.a, ONLY b', {'a', 'b'}),
            ('SELECT a.b FROM a LEFT JOIN (c JOIN d ON 1 = 1) ON 1 = 1', {'a', 'c', 'd'}),
            ('DROP TABLE IF EXISTS a', {'a'}),
            ('SAVEPOINT a', set()),
        ],
    )
    def test_returns_the_tables_of_all_clauses(self, sql, tables):
        assert tables_in(sql) == tables
