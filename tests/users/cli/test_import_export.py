"""Commands: `flask users import` and `flask users export`."""

import io

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from project.core.database.session import db
from project.users import service
from project.users.cli.csv_files import csv_line, read_rows
from project.users.models import User
from tests.corpus.csv_files import CSV_FILES
from tests.users.factories import UserFactory
from tests.users.user_count import count

HEADER = 'username,email,name,bio,roles\n'


class TestCommands:
    @pytest.fixture
    def load(self, cli, tmp_path):
        """Return a function that runs `flask users import` on a file with this CSV text."""

        def load(text, *options):
            path = tmp_path / 'users.csv'
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
            return cli.invoke(args=['users', 'import', str(path), *options])

        return load

    def test_import_an_export(self, cli, load):
        UserFactory(username='ada', name='=1+1', bio='Two\nlines, and "quotes"', email='a@x.org')
        exported = cli.invoke(args=['users', 'export']).stdout
        service.delete_user(service.get_user_by_login('ada').id)

        result = load(exported)

        assert "'=1+1" in exported
        assert result.stdout == 'Created 1, rejected 0.\n'
        ada = service.get_user_by_login('ada')
        assert (ada.name, ada.bio, ada.roles) == ('=1+1', 'Two\nlines, and "quotes"', ['member'])

    def test_report_the_numbers_of_rejected_rows_and_fail(self, load, tmp_path):
        text = (
            HEADER + 'Ada,ada@example.com,,,\nx,bad,,,\nada,b@example.com,,,member\nbob,b@x.org\n'
        )
        report = tmp_path / 'report.csv'

        result = load(text, '--report', str(report))

        assert (result.exit_code, result.stdout) == (1, 'Created 1, rejected 3.\n')
        assert report.read_text().splitlines() == [
            '3,email,Not a valid email address.',
            '3,username,Length must be between 3 and 32. Not a valid username.',
            '4,username,Already taken',
            '5,row,Has more or fewer cells than the first line',
        ]
        assert service.get_user_by_login('ada').roles == ['member']

    def test_report_to_stderr_by_default(self, load):
        assert load(f'{HEADER}admin,a@x.org,,,\n').stderr == '2,username,This name is reserved\n'

    @pytest.mark.parametrize('name', CSV_FILES)
    def test_import_a_file_of_the_corpus(self, load, name):
        expected = CSV_FILES[name]

        result = load(expected.content, '--no-invite')

        created = db.session.execute(select(User.username, User.email, User.name)).all()
        assert tuple(map(tuple, created)) == expected.users
        assert expected.message in result.stderr
        assert result.exit_code == (1 if expected.message else 0)
        assert len(result.stderr.splitlines()) == (1 if expected.message else 0)

    def test_import_standard_input(self, cli):
        result = cli.invoke(args=['users', 'import', '-'], input=f'{HEADER}ada,a@x.org,,,\n')

        assert result.stdout == 'Created 1, rejected 0.\n'

    def test_create_no_user_in_a_dry_run(self, load):
        result = load(f'{HEADER}ada,a@x.org,,,\n', '--dry-run')

        assert result.stdout == 'Would create 1, rejected 0.\n'
        assert count() == 0

    def test_import_in_batches(self, load, monkeypatch):
        monkeypatch.setattr('project.users.cli.import_export.BATCH_ROWS', 2)
        lines = ''.join(f'user{n},user{n}@example.com,,,\n' for n in range(5))

        assert load(HEADER + lines, '--no-invite').stdout == 'Created 5, rejected 0.\n'

    def test_reject_existing_users_in_a_second_run(self, load):
        text = f'{HEADER}ada,a@x.org,,,\n'
        load(text)

        again = load(text)

        assert again.stdout == 'Created 0, rejected 1.\n'
        assert count() == 1


# Characters with a meaning in CSV files or spreadsheet programs, and others.
CELLS = st.text('=+-@\t\r\n\'",; abä日', max_size=8)
COLUMNS = ('username', 'email', 'name', 'bio', 'roles')


class TestCsvLine:
    @settings(max_examples=100)
    @example(['a', 'b', "'=1", '\r', ' x '])
    @given(st.lists(CELLS, min_size=5, max_size=5))
    def test_returns_a_line_from_which_the_same_cells_are_read(self, cells):
        content = csv_line(COLUMNS) + csv_line(cells)

        [(number, row)] = read_rows(io.BytesIO(content.encode()), COLUMNS, COLUMNS[:2])

        assert (number, tuple(row.values())) == (2, tuple(cells))

    @pytest.mark.parametrize('cell', ['=1', '+1', '-1', '@A1', '\t=1', '\r=1', "'=1"])
    def test_returns_no_cell_that_is_executed_as_a_formula(self, cell):
        assert csv_line([cell]).lstrip('"').startswith("'")
