"""Previews: each mail, rendered with the values in its `example.json`."""

import json

import pytest

from project.core.mail.previews import MailTemplateNotFound, mail_names, preview_mail, write_preview
from tests.kit.mailbox import parse_mail, text_of
from tests.repository_copy import ROOT

# The names are read from the folders of templates, so that a mail without an example fails.
NAMES = sorted(path.parent.name for path in ROOT.glob('project/*/templates/mail/*/subject.txt'))


class TestMailNames:
    def test_are_those_of_every_feature(self):
        assert mail_names() == NAMES
        assert 'export_ready' in NAMES


class TestPreviewMail:
    @pytest.mark.parametrize('name', NAMES)
    def test_renders_every_mail(self, name):
        message = preview_mail(name)

        assert message['To'] == 'ada@example.com'
        assert message['Subject']
        for kind in ('plain', 'html'):
            assert 'http://localhost:8000' in text_of(message, kind)
            assert 'Undefined' not in text_of(message, kind)
            assert '{{' not in text_of(message, kind)

    @pytest.mark.parametrize('name', NAMES)
    def test_contains_all_values_of_the_example(self, name):
        [path] = ROOT.glob(f'project/*/templates/mail/{name}/example.json')
        text = text_of(preview_mail(name))

        for value in json.loads(path.read_text()).values():
            if isinstance(value, str):
                assert value in text

    @pytest.mark.parametrize('name', ['nonsense', '', '..', '../mail/export_ready', 'base.html'])
    def test_raises_for_an_unknown_mail(self, name):
        with pytest.raises(MailTemplateNotFound):
            preview_mail(name)


class TestWritePreview:
    def test_writes_html_text_and_message(self, tmp_path):
        paths = write_preview('export_ready', tmp_path / 'new' / 'folder')

        assert [path.name for path in paths] == [
            'export_ready.html', 'export_ready.txt', 'export_ready.eml',
        ]  # fmt: skip
        html, text, eml = (path.read_bytes() for path in paths)
        message = parse_mail(eml)
        assert html.decode().splitlines() == text_of(message, 'html').splitlines()
        assert text.decode().splitlines() == text_of(message).splitlines()
        assert b'ada' in html
