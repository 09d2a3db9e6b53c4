"""The mailbox of the kit."""

import pytest

from project.core.database.session import atomic
from project.core.mail import send_mail

ADA, EVE = 'ada@example.com', 'eve@example.com'


@atomic()
def send(to=ADA, name='export_ready', **values):
    """Send the mail about a finished export, with the given values."""
    known = {'username': 'ada', 'name': 'Ada', 'lifetime': 600}
    send_mail(name, to=to, about=None, **{**known, **values})


class TestMailbox:
    def test_runs_the_tasks_and_returns_all_mails(self, mailbox):
        assert mailbox() == []
        send()
        send(EVE)

        assert [mail['To'] for mail in mailbox()] == [ADA, EVE]
        assert [mail['To'] for mail in mailbox()] == [ADA, EVE]

    def test_contains_the_name_the_text_and_the_html(self, mailbox):
        send(username='lovelace')

        mail = mailbox.latest()

        assert (mail.name, mail['To']) == ('export_ready', ADA)
        assert 'lovelace' in mail.text
        assert '<html' in mail.html


class TestLatest:
    def test_returns_the_newest_mail(self, mailbox):
        send(username='first')
        send(username='second')

        assert 'second' in mailbox.latest().text

    def test_returns_the_newest_mail_of_a_name_and_a_receiver(self, mailbox):
        send(ADA, username='first')
        send(EVE, username='second')

        assert 'first' in mailbox.latest('export_ready', to=ADA).text

    def test_fails_without_such_a_mail_and_lists_all(self, mailbox):
        send(EVE)

        with pytest.raises(AssertionError) as raised:
            mailbox.latest('export_ready', to=ADA)

        message = str(raised.value)
        assert message.startswith(f"no mail 'export_ready' to {ADA}; the mailbox contains: ")
        assert f"'export_ready' to {EVE} (" in message

    def test_raises_for_an_unknown_name(self, mailbox):
        with pytest.raises(ValueError, match=r"unknown mail 'export'; a mail is .*export_ready"):
            mailbox.latest('export')


class TestCode:
    @pytest.mark.parametrize('code', ['123456', 'ABCD-EFGH-IJKL-MN23'])
    def test_returns_the_code_in_the_text(self, mailbox, code):
        send(username=code)

        assert mailbox.latest().code == code

    @pytest.mark.parametrize(('text', 'number'), [('ada', 0), ('123456 and 654321', 2)])
    def test_fails_without_exactly_one_code(self, mailbox, text, number):
        send(username=text)

        with pytest.raises(AssertionError, match=f'{number} codes instead of one'):
            _ = mailbox.latest().code
