"""Each email address of the corpus has the same result in all ways in which it can be sent."""

import csv
import io
from collections import Counter

import pytest

from project.core.email_addresses import email_on_the_wire
from project.users.cli.csv_files import csv_line
from project.users.models import User
from tests.auth.factories import PASSWORD
from tests.corpus.email_addresses import ADDRESSES
from tests.kit.responses import data
from tests.users.factories import AdminFactory, UserFactory

API = '/api/v1'
# The headers of a mail; an address must not add one.
HEADERS = {
    'From', 'To', 'Subject', 'Message-ID', 'Date', 'Auto-Submitted', 'MIME-Version', 'Content-Type',
}  # fmt: skip


class TestAddressesOfTheCorpus:
    def test_are_sent_in_their_ascii_form(self):
        for address in ADDRESSES:
            if address.stored is not None:
                expected = address.on_the_wire or address.stored
                assert email_on_the_wire(address.stored) == expected

    @pytest.mark.slow('five requests for each email address')
    def test_have_the_same_result_in_all_requests(self, as_user, client, mailbox):
        admin, bob, different = as_user(AdminFactory()), UserFactory(), []
        for number, address in enumerate(ADDRESSES):
            body, username = {'email': address.sent}, f'corpus{number}'
            registration = {**body, 'username': username, 'password': PASSWORD}
            change = {'new_email': address.sent}
            # Each user can request ten changes a day.
            carl = as_user(UserFactory())
            statuses = [
                client.post(f'{API}/auth/accounts', json=registration).status_code,
                admin.post(f'{API}/auth/invitations', json=body).status_code,
                carl.post(f'{API}/auth/email-changes', json=change).status_code,
            ]
            changed = admin.patch(f'{API}/users/{bob.id}', json=body)
            taken = admin.post(f'{API}/users', json={**body, 'username': username})
            statuses += [changed.status_code, taken.status_code]
            expected = [202, 202, 202, 200, 409]
            if address.stored is None:
                expected = [400 if '\0' in address.sent else 422] * len(statuses)
            elif data(changed)['email'] != address.stored:
                different.append((address, data(changed)['email']))
            if statuses != expected:
                different.append((address, statuses))

        assert different == []
        recipients = Counter(mail['To'] for mail in mailbox())
        assert all(set(mail.keys()) <= HEADERS for mail in mailbox())
        for address in ADDRESSES:
            if address.stored is not None:
                # The mails of the registration and the invitation.
                assert recipients[address.on_the_wire or address.stored] >= 2, address
            assert address.stored or address.sent not in recipients, address

    def test_have_the_same_result_in_commands(self, cli, tmp_path):
        rows = [(f'corpus{number}', address.sent) for number, address in enumerate(ADDRESSES)]
        path, report = tmp_path / 'users.csv', tmp_path / 'report.csv'
        path.write_text(''.join(map(csv_line, [('username', 'email'), *rows])), newline='')

        cli.invoke(args=['users', 'import', str(path), '--no-invite', '--report', str(report)])

        rejected = {int(row[0]) - 2 for row in csv.reader(io.StringIO(report.read_text()))}
        for number, address in enumerate(ADDRESSES):
            user = User.find_by_username(f'corpus{number}')
            assert (user and user.email) == address.stored, address
            assert (number in rejected) == (address.stored is None), address

    def test_have_the_same_result_as_options(self, cli):
        for number, address in enumerate(ADDRESSES):
            if '\0' not in address.sent:  # No argument of a process can contain NUL.
                words = ['users', 'create', f'corpus{number}', f'--email={address.sent}']
                result = cli.invoke(args=[*words, '--no-invite'])
                assert result.exit_code == (2 if address.stored is None else 0), address
                user = User.find_by_username(f'corpus{number}')
                assert (user and user.email) == address.stored, address
