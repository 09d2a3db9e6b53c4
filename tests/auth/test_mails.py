"""Mail templates of auth: subject, text and HTML of rendered mails."""

import json
import re
from pathlib import Path

import pytest

from project.core.clock import now
from project.core.mail.rendering import new_message_identity, render_mail

from .pins import pin_in, plain

ROOT = Path(__file__).parents[2]
HOSTILE = '<script>alert("x")</script> & {{ 7 * 7 }}'
HEADERS = {
    'From', 'To', 'Subject', 'Date', 'Message-ID', 'Auto-Submitted', 'MIME-Version', 'Content-Type',
}  # fmt: skip

MAILS = {
    'already_registered': {'username': 'ada', 'name': 'Ada'},
    'password_changed': {
        'username': 'ada', 'name': 'Ada', 'address': '192.0.2.1',
        'ended': [{'user_agent': 'browser/1', 'address': '192.0.2.2'}],
    },
}  # fmt: skip


def render(template, **changes):
    """Return a mail to Ada."""
    values = {**MAILS[template], **changes}
    return render_mail(template, 'ada@example.com', values, new_message_identity(now()))


def example_of(template):
    """Return the example values of a mail."""
    [path] = ROOT.glob(f'project/*/templates/mail/{template}/example.json')
    return json.loads(path.read_text(encoding='utf-8'))


# Each value of these mails that a stranger may have chosen, as digits.
DIGITS = dict.fromkeys(('username', 'name', 'public_url'), '123456 and ٠١٢٣٤٥٦')
SECRETS = {
    name: example['secret']
    for name in sorted(
        path.parent.name for path in ROOT.glob('project/*/templates/mail/*/body.txt')
    )
    if 'secret' in (example := example_of(name))
}


def render_example(template, secret=None, **changes):
    """Return a mail with its example values and these."""
    values = {**example_of(template), **changes}
    values.pop('secret', None)
    return render_mail(template, 'ada@example.com', values, new_message_identity(now()), secret)


def html(mail):
    """Return the HTML of a mail."""
    return mail.get_body(('html',)).get_content()


class TestEveryMail:
    @pytest.mark.parametrize(
        ('template', 'subject'),
        [
            ('already_registered', 'You are registered already'),
            ('password_changed', 'Your password was changed'),
        ],
    )
    def test_says_what_it_is_about(self, template, subject):
        mail = render(template)

        assert mail['Subject'] == subject
        assert 'Hello Ada,' in plain(mail)
        assert 'Hello Ada,' in html(mail)

    @pytest.mark.parametrize('template', MAILS)
    def test_says_the_same_as_text_and_as_html(self, template):
        mail = render(template)
        shown = re.sub('<style.*?</style>|<[^>]+>', ' ', html(mail))

        for word in re.findall(r'[A-Za-z0-9.]{3,}', plain(mail)):
            assert word.lower() in shown.lower()

    @pytest.mark.parametrize('template', MAILS)
    def test_greets_by_username_who_gave_no_name(self, template):
        assert 'Hello ada,' in plain(render(template, name=''))

    @pytest.mark.parametrize('template', MAILS)
    def test_runs_nothing_that_a_name_says(self, template):
        mail = render(template, name=HOSTILE)

        assert '<script' not in html(mail)
        assert '&lt;script&gt;alert(' in html(mail)
        assert '&amp; {{ 7 * 7 }}' in html(mail)
        assert HOSTILE in plain(mail)

    @pytest.mark.parametrize('template', MAILS)
    def test_has_no_header_that_a_name_could_add(self, template):
        mail = render(template, name='Ada\r\nBcc: eve@example.com\r\n\r\nHello')

        assert set(mail.keys()) == HEADERS
        assert mail['To'] == 'ada@example.com'

    @pytest.mark.parametrize('template', MAILS)
    def test_links_only_to_us(self, app, template):
        mail = render(template)

        links = re.findall('https?://[^\\s<"]+', plain(mail) + html(mail))
        assert set(links) <= {app.config['PUBLIC_URL']}


class TestMailsWithSecrets:
    """Mails that carry a PIN or a code: strangers can cause them."""

    def test_are_these(self):
        assert list(SECRETS) == ['email_change', 'invitation', 'password_reset', 'verification']

    @pytest.mark.parametrize('template', ['email_change', 'password_reset', 'verification'])
    @pytest.mark.parametrize('pin', ['012345', 'ABCD-EFGH-IJKL-MN23'])
    def test_have_the_pin_and_nothing_like_it(self, template, pin):
        mail = render_example(template, secret={'pin': pin}, **DIGITS)

        assert pin_in(mail) == pin
        assert pin in html(mail)
        assert pin not in mail['Subject']
        assert set(re.findall(r'\d{6,}', plain(mail) + mail['Subject'])) <= {pin}

    def test_has_nothing_like_a_pin_beside_the_code_of_an_invitation(self):
        mail = render_example('invitation', secret={'code': 'ABCD-EFGH-IJKL-MN23'}, **DIGITS)

        assert pin_in(mail) == 'ABCD-EFGH-IJKL-MN23'

    @pytest.mark.parametrize(
        ('template', 'says'),
        [
            ('verification', '10 minutes'),
            ('password_reset', '10 minutes'),
            ('invitation', '7 days'),
        ],
    )
    def test_say_how_long_it_works(self, template, says):
        assert says in plain(render_example(template, secret=SECRETS[template]))

    @pytest.mark.parametrize('template', ['verification', 'email_change'])
    def test_greet_without_a_name_at_an_address_that_is_not_verified(self, template):
        mail = render_example(template, secret={'pin': '012345'})

        assert 'Hello,' in plain(mail)
        assert 'Hello,' in html(mail)


class TestUserAgents:
    @pytest.mark.parametrize('template', ['new_device', 'password_changed', 'reuse_detected'])
    def test_are_shown_without_any_text_of_their_sender(self, template):
        """A thief who knows the password chooses it, and the owner reads it."""
        agent = 'Firefox/140.0 Your account is locked, go to https://evil.example/1 curl/8'
        ended = [{'user_agent': agent, 'address': '192.0.2.2'}]
        mail = render_example(template, user_agent=agent, ended=ended)

        for body in (plain(mail), html(mail)):
            assert 'Firefox/140.0 curl/8' in body
            assert 'evil' not in body


class TestAlreadyRegistered:
    def test_names_the_account_and_has_no_pin(self):
        mail = render('already_registered', username='lovelace')

        assert 'lovelace already' in plain(mail)
        assert re.findall('[0-9]{6}', plain(mail)) == []


class TestPasswordChanged:
    def test_says_what_ended(self):
        mail = render('password_changed')

        for body in (plain(mail), html(mail)):
            assert 'ended: browser/1 at 192.0.2.2' in body
            assert 'No other session was open' not in body

    def test_says_that_nothing_did(self):
        mail = render('password_changed', ended=[])

        for body in (plain(mail), html(mail)):
            assert 'No other session was open.' in body
            assert 'ended:' not in body

    @pytest.mark.parametrize(('address', 'says'), [('192.0.2.1', True), ('', False)])
    def test_says_from_where_if_it_is_known(self, address, says):
        mail = render('password_changed', address=address)

        assert ('was changed from' in plain(mail)) is says
        assert ('was changed from' in ' '.join(html(mail).replace('</b>', '').split())) is (says)

    def test_runs_nothing_that_a_browser_says(self):
        mail = render('password_changed', ended=[{'user_agent': HOSTILE, 'address': HOSTILE}])

        assert '<script' not in html(mail)
        assert html(mail).count('&lt;script&gt;') == 1
