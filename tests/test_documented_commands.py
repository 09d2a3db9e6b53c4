"""`python -m tests.documented_commands`: steps of a page, and differences from its text."""

import pytest

from tests.documented_commands import Command, NewFile, follow, is_matched, steps_of

PAGE = """
Write this file:

```python
# notes/text.py
TEXT = 'Buy milk.'
```

```python
# to notes/text.py
MORE = 1
```

<!-- not run: it never ends -->
```
$ sleep infinity
```

```
$ cd notes
$ python3 -c 'import text; print(text.TEXT)'
Buy …
```
"""


class TestStepsOf:
    def test_yields_files_and_commands_in_their_order(self):
        assert list(steps_of(PAGE)) == [
            NewFile('notes/text.py', "TEXT = 'Buy milk.'\n"),
            Command('cd notes', ''),
            Command("python3 -c 'import text; print(text.TEXT)'", 'Buy …\n'),
        ]


class TestFollow:
    def test_finds_no_fault_in_a_correct_page(self, tmp_path):
        assert follow(PAGE, tmp_path) == ''

    @pytest.mark.parametrize(
        ('commands', 'fault'),
        [
            ('$ echo milk\nbread\n', '$ echo milk\nprinted:\nmilk\n'),
            ('$ false\n$ echo later\n', '$ false\nfailed with exit code 1:'),
            ('$ exit 0\n', '$ exit 0\nended the shell'),
        ],
        ids=['other output', 'failed command', 'ended shell'],
    )
    def test_returns_the_first_fault(self, tmp_path, commands, fault):
        assert follow(f'```\n{commands}```\n', tmp_path).startswith(fault)


class TestIsMatched:
    @pytest.mark.parametrize(
        ('shown', 'is_equal'),
        [('', True), ('a\nb', True), ('…\nb', True), ('a…', True), ('b', False), ('…a', False)],
    )
    def test_compares_lines_and_accepts_any_text_for_an_ellipsis(self, shown, is_equal):
        assert is_matched(shown, 'a\nb\n') is is_equal
