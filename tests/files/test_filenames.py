"""Clean the name that a client gives a file."""

import pytest

from project.files.errors import NameInvalid
from project.files.filenames import clean_name


class TestCleanName:
    @pytest.mark.parametrize(
        'name',
        ['report.pdf', 'déjà vu.txt', '報告.pdf', 'a;b="c".txt', '🦄.png', '.htaccess', 'a..b'],
    )
    def test_keeps_an_honest_name(self, name):
        assert clean_name(name) == name

    @pytest.mark.parametrize(
        'name', [None, '', '   ', '.', '..', '/', 'a/', '\r\n', '\u202e', '../..']
    )
    def test_calls_nothing_unnamed(self, name):
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
    def test_drops_folders(self, name, shown):
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
    def test_drops_what_does_not_show(self, name, shown):
        assert clean_name(name) == shown

    def test_composes_characters_so_that_one_name_is_one_name(self):
        assert clean_name('e\u0301.txt') == '\u00e9.txt'

    def test_keeps_255_characters_and_rejects_one_more(self):
        assert clean_name('é' * 255) == 'é' * 255

        with pytest.raises(NameInvalid):
            clean_name('é' * 256)

    def test_counts_only_the_last_part(self):
        assert clean_name(f'{"folder" * 50}/a.txt') == 'a.txt'
