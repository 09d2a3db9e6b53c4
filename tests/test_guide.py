"""docs/guide.md: its rows list the code and a test for each topic, and both must exist."""

from pathlib import Path

import pytest

from tests import guide

ROOT = Path(__file__).resolve().parent.parent

HERE = 'tests/test_guide.py'
HEADING = '| topic | code | test |\n|---|---|---|\n'
COMPLETE = HEADING + ''.join(
    f'| {topic} | `project/api.py` | `tests/test_guide.py::TestFaults` |\n'
    for topic in (*guide.TOPICS, *guide.CONVERTERS)
)


class TestTheGuide:
    def test_has_a_row_for_each_topic_and_only_existing_code_and_tests(self):
        text = (ROOT / 'docs' / 'guide.md').read_text(encoding='utf-8')

        assert guide.faults(text, ROOT) == []


class TestFaults:
    def test_returns_no_fault_for_a_complete_guide(self):
        assert guide.faults(COMPLETE, ROOT) == []

    def test_accepts_a_file_a_class_a_method_and_a_folder(self):
        rows = (
            '| a | `project/core/` and `Procfile` | `tests/test_guide.py` |\n'
            f'| b | `wsgi.py` | `{HERE}::TestFaults::test_returns_all_topics_for_an_empty_page` |\n'
        )

        assert guide.faults(COMPLETE + rows, ROOT) == []

    @pytest.mark.parametrize(
        ('row', 'fault'),
        [
            ('| a | `project/nowhere.py` | `tests/test_guide.py` |', 'a: no project/nowhere.py'),
            ('| a | `project/api.py` | `tests/test_nowhere.py` |', 'a: no tests/test_nowhere.py'),
            (
                '| a | `project/api.py` | `tests/test_guide.py::TestNothing` |',
                'a: no tests/test_guide.py::TestNothing',
            ),
            (
                '| a | `project/api.py` | `tests/test_guide.py::TestFaults::test_nothing` |',
                'a: no tests/test_guide.py::TestFaults::test_nothing',
            ),
            (
                # `faults` is a function, but not a test.
                '| a | `project/api.py` | `tests/guide.py::faults` |',
                'a: no tests/guide.py::faults',
            ),
            ('| a | nothing | `tests/test_guide.py` |', 'a: names no code'),
            ('| a | `project/api.py` | none |', 'a: names no test'),
        ],
    )
    def test_returns_a_fault_for_a_row_without_code_or_tests(self, row, fault):
        assert guide.faults(f'{COMPLETE}{row}\n', ROOT) == [fault]

    @pytest.mark.parametrize('topic', guide.TOPICS)
    def test_returns_a_fault_for_a_topic_without_a_row(self, topic):
        rows = [line for line in COMPLETE.splitlines() if not line.startswith(f'| {topic} |')]

        found = guide.faults('\n'.join(rows), ROOT)

        # Another topic can contain the words of this one, so that its row suffices for both.
        elsewhere = any(topic != other and topic in other for other in guide.TOPICS)
        assert found == ([] if elsewhere and not found else [f'no row for: {topic}'])

    def test_returns_all_topics_for_an_empty_page(self):
        assert len(guide.faults('', ROOT)) == len(guide.TOPICS) + len(guide.CONVERTERS)
