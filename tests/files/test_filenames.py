"""Cleaning of file names that clients send."""

import pytest

from project.files.errors import NameInvalid
from project.files.filenames import clean_name


class TestCleanName:
    @pytest.mark.parametrize(
        'name',
        ['report.pdf', 'déjà vu.txt', '報告.pdf', 'a;b="c".txt', '🦄.png', '.htaccess', 'a..b'],
    )
    def test_keeps_a_harmless_name(self, name):
        assert clean_name(name) == name

    @pytest.mark.parametrize(
        'name', [None, '', '   ', '.', '..', '/', 'a/', '\r\n', '\u202e', '../..']
    )
    def test_returns_unnamed_for_empty_names(self, name):
        assert clean_name(name) == 'unnamed'

    @pytest.mark.parametrize(
        ('name', 'shown'),
        [
            ('../../etc/passwd', 'passwd'),
            ('/etc/passwd', 'passwd'),
            ('C:\\Users\\ada\\report.pdf', 'report.pdf'),
            ('..\\../mixed', 'mixed'),
        ],
    )
    def test_removes_folders(self, name, shown):
        assert clean_name(name) == shown

    @pytest.mark.parametrize(
        ('name', 'shown'),
        [
            ('a\r\nSet-Cookie: b', 'aSet-Cookie: b'),
            ('a\0b', 'ab'),
            ('gpj.\u202eexe', 'gpj.exe'),
            ('zero\u200bwidth', 'zerowidth'),
            ('sur\ud800rogate', 'surrogate'),
            ('\x1b[31mred', '[31mred'),
        ],
    )
    def test_removes_hidden_characters(self, name, shown):
        assert clean_name(name) == shown

    def test_composes_characters(self):
        assert clean_name('e\u0301.txt') == '\u00e9.txt'

    def test_keeps_255_characters_and_rejects_one_more(self):
        assert clean_name('é' * 255) == 'é' * 255

        with pytest.raises(NameInvalid):
            clean_name('é' * 256)

    def test_counts_the_characters_of_the_last_part_only(self):
        assert clean_name(f'{"folder" * 50}/a.txt') == 'a.txt'
