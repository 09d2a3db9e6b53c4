"""Mail templates of the feature `auth`: subject, plain text and HTML."""

import json
import re
from pathlib import Path

import pytest

from project.core.clock import now
from project.core.mail.previews import preview_mail
from project.core.mail.rendering import new_message_identity, render_mail
from tests.kit.mailbox import code_in, text_of

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
    """Return a mail to Ada, rendered with the values in `MAILS`."""
    values = {**MAILS[template], **changes}
    return render_mail(template, 'ada@example.com', values, new_message_identity(now()))


def example_of(template):
    """Return the values in the file `example.json` of a mail template."""
    [path] = ROOT.glob(f'project/*/templates/mail/{template}/example.json')
    return json.loads(path.read_text(encoding='utf-8'))


# The values of these mails that another person may have chosen; here they contain digits.
DIGITS = dict.fromkeys(('username', 'name', 'public_url'), '123456 and ٠١٢٣٤٥٦')
SECRETS = {
    name: example['secret']
    for name in sorted(
        path.parent.name for path in ROOT.glob('project/*/templates/mail/*/body.txt')
    )
    if 'secret' in (example := example_of(name))
}


def render_example(template, secret=None, **changes):
    """Return a mail, rendered with its `example.json` and the changed values."""
    values = {**example_of(template), **changes}
    values.pop('secret', None)
    return render_mail(template, 'ada@example.com', values, new_message_identity(now()), secret)


class TestEveryMail:
    @pytest.mark.parametrize(
        ('template', 'subject'),
        [
            ('already_registered', 'You are registered already'),
            ('password_changed', 'Your password was changed'),
        ],
    )
    def test_has_a_subject_and_a_greeting(self, template, subject):
        mail = render(template)

        assert mail['Subject'] == subject
        assert 'Hello Ada,' in text_of(mail)
        assert 'Hello Ada,' in text_of(mail, 'html')

    @pytest.mark.parametrize('template', MAILS)
    def test_has_the_same_words_in_text_and_html(self, template):
        mail = render(template)
        shown = re.sub('<style.*?</style>|<[^>]+>', ' ', text_of(mail, 'html'))

        for word in re.findall(r'[A-Za-z0-9.]{3,}', text_of(mail)):
            assert word.lower() in shown.lower()

    @pytest.mark.parametrize('template', MAILS)
    def test_greets_by_username_without_a_name(self, template):
        assert 'Hello ada,' in text_of(render(template, name=''))

    @pytest.mark.parametrize('template', MAILS)
    def test_escapes_the_name(self, template):
        mail = render(template, name=HOSTILE)

        assert '<script' not in text_of(mail, 'html')
        assert '&lt;script&gt;alert(' in text_of(mail, 'html')
        assert '&amp; {{ 7 * 7 }}' in text_of(mail, 'html')
        assert HOSTILE in text_of(mail)

    @pytest.mark.parametrize('template', MAILS)
    def test_adds_no_header_from_the_name(self, template):
        mail = render(template, name='Ada\r\nBcc: eve@example.com\r\n\r\nHello')

        assert set(mail.keys()) == HEADERS
        assert mail['To'] == 'ada@example.com'

    @pytest.mark.parametrize('template', MAILS)
    def test_links_only_to_the_public_url(self, app, template):
        mail = render(template)

        links = re.findall('https?://[^\\s<"]+', text_of(mail) + text_of(mail, 'html'))
        assert set(links) <= {app.config['PUBLIC_URL']}


class TestMailsWithSecrets:
    """Mails with a PIN or a code. Clients without an account can trigger some of them."""

    def test_are_the_four_known_ones(self):
        assert list(SECRETS) == ['email_change', 'invitation', 'password_reset', 'verification']

    @pytest.mark.parametrize('template', ['email_change', 'password_reset', 'verification'])
    @pytest.mark.parametrize('pin', ['012345', 'ABCD-EFGH-IJKL-MN23'])
    def test_contain_the_pin_and_no_other_six_digits(self, template, pin):
        mail = render_example(template, secret={'pin': pin}, **DIGITS)

        assert code_in(mail) == pin
        assert pin in text_of(mail, 'html')
        assert pin not in mail['Subject']
        assert set(re.findall(r'\d{6,}', text_of(mail) + mail['Subject'])) <= {pin}

    def test_contain_the_code_of_an_invitation_and_no_six_digits(self):
        mail = render_example('invitation', secret={'code': 'ABCD-EFGH-IJKL-MN23'}, **DIGITS)

        assert code_in(mail) == 'ABCD-EFGH-IJKL-MN23'

    @pytest.mark.parametrize(
        ('template', 'says'),
        [
            ('verification', '10 minutes'),
            ('password_reset', '10 minutes'),
            ('invitation', '7 days'),
        ],
    )
    def test_state_the_lifetime(self, template, says):
        assert says in text_of(render_example(template, secret=SECRETS[template]))

    @pytest.mark.parametrize('template', ['verification', 'email_change'])
    def test_greet_without_a_name_if_the_email_address_is_not_verified(self, template):
        mail = render_example(template, secret={'pin': '012345'})

        assert 'Hello,' in text_of(mail)
        assert 'Hello,' in text_of(mail, 'html')


class TestUserAgents:
    @pytest.mark.parametrize('template', ['new_device', 'password_changed', 'reuse_detected'])
    def test_are_shown_without_text_of_the_client(self, template):
        """An attacker who knows the password chooses the `User-Agent` header.

        The mail shows it to the owner, so it must not contain text such as a link.
        """
        agent = 'Firefox/140.0 Your account is locked, go to https://evil.example/1 curl/8'
        ended = [{'user_agent': agent, 'address': '192.0.2.2'}]
        mail = render_example(template, user_agent=agent, ended=ended)

        for body in (text_of(mail), text_of(mail, 'html')):
            assert 'Firefox/140.0 curl/8' in body
            assert 'evil' not in body


class TestAlreadyRegistered:
    def test_names_the_account_and_has_no_pin(self):
        mail = render('already_registered', username='lovelace')

        assert 'lovelace already' in text_of(mail)
        assert re.findall('[0-9]{6}', text_of(mail)) == []


class TestPasswordChanged:
    def test_lists_the_ended_sessions(self):
        mail = render('password_changed')

        for body in (text_of(mail), text_of(mail, 'html')):
            assert 'ended: browser/1 at 192.0.2.2' in body
            assert 'No other session was open' not in body

    def test_states_that_no_session_ended(self):
        mail = render('password_changed', ended=[])

        for body in (text_of(mail), text_of(mail, 'html')):
            assert 'No other session was open.' in body
            assert 'ended:' not in body

    @pytest.mark.parametrize(('address', 'says'), [('192.0.2.1', True), ('', False)])
    def test_states_the_ip_address_if_it_is_known(self, address, says):
        mail = render('password_changed', address=address)

        assert ('was changed from' in text_of(mail)) is says
        assert (
            'was changed from' in ' '.join(text_of(mail, 'html').replace('</b>', '').split())
        ) is (says)

    def test_escapes_the_user_agent_and_the_ip_address(self):
        mail = render('password_changed', ended=[{'user_agent': HOSTILE, 'address': HOSTILE}])

        assert '<script' not in text_of(mail, 'html')
        assert text_of(mail, 'html').count('&lt;script&gt;') == 1


class TestTemplates:
    @pytest.mark.parametrize('construct', ['{% for', '{% else', '|duration'])
    def test_use_the_constructs_of_the_guide(self, construct):
        texts = [p.read_text() for p in ROOT.glob('project/auth/templates/mail/*/*') if p.is_file()]

        assert any(construct in text for text in texts)


class TestVerification:
    @pytest.mark.parametrize('page', ['README.md', 'docs/getting-started.md'])
    def test_contains_the_line_that_a_page_searches_for(self, app, page):
        [shown] = re.findall(
            r"^\$ grep -hA 2 '\^(.+)' var/mail/\*\.eml\n(.+)$",
            (ROOT / page).read_text(),
            re.MULTILINE,
        )
        with app.test_request_context():
            text = preview_mail('verification').get_body(('plain',)).get_content()

        pattern, line = shown
        assert line.startswith(pattern)
        assert line in text.splitlines()
