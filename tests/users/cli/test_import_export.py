"""Commands: `flask users import` and `flask users export`."""

import pytest

from project.users import service
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

    def test_import_a_file_with_a_byte_order_mark_and_crlf(self, load):
        text = '\ufeffemail,username\r\nada@example.com,ada\r\n'

        assert load(text).stdout == 'Created 1, rejected 0.\n'

    @pytest.mark.parametrize(
        ('text', 'line'),
        [
            ('', 'the first line must name the columns username, email'),
            ('username\nada\n', 'the first line must name the columns username, email'),
            ('username,email,x\n', 'the first line must name the columns username, email'),
            ('username,email,email\n', 'the first line must name the columns username, email'),
            ('username,email,password\n', 'passwords are not imported'),
            (b'username,email\nada,\xff\n', 'cannot be read near line'),
            ('username,email\n"ada,a@x.org\n', 'cannot be read'),
        ],
    )
    def test_reject_an_invalid_file_in_one_line(self, load, text, line):
        result = load(text)

        assert result.exit_code == 1
        assert line in result.stderr
        assert len(result.stderr.splitlines()) == 1

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
