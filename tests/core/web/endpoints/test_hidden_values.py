"""Check at the start that no fixed path hides a value of a URL argument of another route.

For example, `/users/export` would hide `/users/<username>` for the user `export`.
"""

import pytest
from flask import Blueprint

from project.core.web.endpoints.access import public
from project.core.web.endpoints.endpoint import endpoint
from project.core.web.endpoints.hidden_values import HiddenValue


@pytest.fixture
def start(kernel):
    """Return a function that starts an application with one route for each given path."""

    def start(*paths, argument=None):
        boats = Blueprint('boats', __name__, url_prefix='/boats')
        for number, path in enumerate(paths):

            @boats.get(path, endpoint=f'route{number}')
            @endpoint(allow=public, arguments={'name': argument or {}})
            def show(**_):
                """Show."""

        return kernel(boats)

    return start


class TestValidateArguments:
    @pytest.mark.parametrize('other', ['/stats', '/stats/today', '/stats/<int:year>'])
    @pytest.mark.parametrize('own', ['/<name>', '/<string:name>', '/<string:name>/crew'])
    def test_raises_for_a_path_that_is_a_possible_value_and_names_both_routes(
        self, start, own, other
    ):
        with pytest.raises(HiddenValue) as error:
            start(own, other)

        shown = str(error.value)
        assert f"hides the name 'stats' of /boats{own} (tests.core.web.endpoints" in shown
        assert f'/boats{other} (tests.core.web.endpoints' in shown

    @pytest.mark.parametrize(
        'argument', [{'not': {'enum': ['stats']}}, {'enum': ['titanic']}, {'pattern': '^.{6,}$'}]
    )
    def test_accepts_a_word_that_the_schema_excludes(self, start, argument):
        assert start('/<string:name>', '/stats', argument=argument)

    @pytest.mark.parametrize(
        'argument', [{'not': {'enum': ['crew']}}, {'enum': ['stats']}, {'pattern': '^[a-z]+$'}]
    )
    def test_raises_for_a_word_that_the_schema_allows(self, start, argument):
        with pytest.raises(HiddenValue):
            start('/<string:name>', '/stats', argument=argument)

    @pytest.mark.parametrize(
        ('own', 'other'),
        [
            ('/<int:name>', '/stats'), ('/<uuid:name>', '/stats'), ('/<string:name>', ''),
            ('/ships/<string:name>', '/stats'), ('/ships/<string:name>', '/ferries/stats'),
            ('/<int:id>/crew/<string:name>', '/<int:other>/cargo'),
        ],
    )  # fmt: skip
    def test_accepts_paths_that_hide_nothing(self, start, own, other):
        assert start(own, other)

    def test_compares_arguments_before_the_segment_as_equal(self, start):
        with pytest.raises(HiddenValue):
            start('/<int:id>/crew/<string:name>', '/<int:other>/crew/captain')
