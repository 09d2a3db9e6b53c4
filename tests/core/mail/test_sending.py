"""Sending of mails: the sender's transaction enqueues a task, which delivers the mail."""

import pytest

from project.core.database.session import atomic
from project.core.mail import send_mail
from project.core.mail.sending import deliver_mail
from project.core.tasks import PermanentFailure
from tests.kit.mailbox import mails_in
from tests.kit.tasks import run_pending_tasks

from ..outbox import rows
from .sample_mails import HELLO, TO, send

PIN = '012345'


@pytest.fixture
def mails(mail_app, tmp_path):
    """Return a function that runs the pending tasks and returns all delivered mails."""

    def read():
        run_pending_tasks(mail_app)
        return mails_in(tmp_path / 'mail')

    return read


class TestSendMail:
    def test_delivers_only_after_the_commit(self, mail_app, mails, tmp_path):
        with atomic():
            send_mail('hello', to=TO, about=None, **HELLO)
            assert mails_in(tmp_path / 'mail') == []

        [message] = mails()
        assert message['To'] == TO
        assert rows() == []

    def test_delivers_nothing_after_a_rollback(self, mails):
        @atomic()
        def reject():
            send_mail('hello', to=TO, about=None, **HELLO)
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            reject()
        assert mails() == []

    def test_raises_outside_a_transaction(self, mail_app):
        with pytest.raises(RuntimeError, match='outside atomic'):
            send_mail('hello', to=TO, about=None, **HELLO)

    @pytest.mark.usefixtures('mail_app')
    def test_requires_the_user_whom_the_mail_is_about(self):
        with pytest.raises(TypeError, match='about'), atomic():
            send_mail('hello', to=TO, **HELLO)

    def test_encrypts_secrets_until_the_delivery(self, mails):
        send(secret={'name': PIN})

        [row] = rows()
        assert PIN not in repr(tuple(row))
        [message] = mails()
        assert message['Subject'] == f'Hello {PIN}, welcome'

    def test_masks_digits_in_other_values_beside_a_secret(self, mails):
        send(name='Type 999999', secret={'pin': PIN})

        [message] = mails()
        assert message['Subject'] == 'Hello Type \N{HORIZONTAL ELLIPSIS}, welcome'

    def test_rejects_a_context_that_is_not_json(self, mail_app):
        with pytest.raises(TypeError):
            send(name=object())

    def test_keeps_the_order_in_file_names(self, mails):
        for name in ('first', 'second', 'third'):
            send(name=name)

        subjects = [message['Subject'] for message in mails()]
        assert subjects == [f'Hello {name}, welcome' for name in ('first', 'second', 'third')]


class TestDeliverMail:
    def test_uses_the_same_message_id_in_all_attempts(self, mail_app, monkeypatch, travel):
        seen = []

        def lose(message):
            seen.append((message['Message-ID'], message['Date']))
            if len(seen) < 3:
                raise OSError('the connection was lost before its 250')

        monkeypatch.setitem(mail_app.extensions, 'mail', lose)
        send()
        task_id = rows()[0].id
        for number in range(3):
            with travel(hours=number):
                run_pending_tasks(mail_app)

        assert len(seen) == 3
        assert len(set(seen)) == 1
        assert task_id.hex in seen[0][0]

    def test_replaces_the_file_of_an_earlier_attempt(self, mail_app, mails, monkeypatch, travel):
        deliver = mail_app.extensions['mail']

        def lose(message):
            deliver(message)
            raise OSError('the disk reports an error too late')

        monkeypatch.setitem(mail_app.extensions, 'mail', lose)
        send()
        assert len(mails()) == 1
        monkeypatch.setitem(mail_app.extensions, 'mail', deliver)

        with travel(hours=1):
            assert len(mails()) == 1
        assert rows() == []

    def test_is_retried_after_any_error_and_keeps_the_secret(self, mail_app, monkeypatch):
        def lose(message):
            raise OSError(f'could not send {PIN}')

        monkeypatch.setitem(mail_app.extensions, 'mail', lose)
        send(secret={'name': PIN})
        run_pending_tasks(mail_app)

        [row] = rows()
        assert (row.state, row.last_error) == ('waiting', 'OSError: could not send ***')

    def test_is_dead_lettered_after_a_permanent_failure(self, mail_app, monkeypatch):
        def reject(message):
            raise PermanentFailure('550 nobody lives there')

        monkeypatch.setitem(mail_app.extensions, 'mail', reject)
        send()
        run_pending_tasks(mail_app)

        [row] = rows()
        assert (row.state, row.attempts, row.last_error) == ('dead', 1, '550 nobody lives there')

    def test_is_dead_lettered_if_the_mail_cannot_be_rendered(self, mail_app):
        send(to='nobody')
        send(to=f'{TO}, eve@example.com')
        run_pending_tasks(mail_app)

        assert {(row.state, row.attempts) for row in rows()} == {('dead', 1)}
        assert all(row.last_error.startswith('the mail cannot be rendered: ') for row in rows())

    def test_delivers_when_it_is_called_outside_a_task(self, mail_app, tmp_path):
        for _ in range(2):
            deliver_mail('hello', TO, HELLO, {})

        assert len({message['Message-ID'] for message in mails_in(tmp_path / 'mail')}) == 2
