"""The stored releases: their versions and their documents."""

import pytest

from project.core.documents.api_changes.releases import (
    ReleaseInvalid,
    newest_release,
    parse_version,
    read_openapi,
)


@pytest.fixture
def root(tmp_path):
    """Return a folder with the releases 0.9.0, 0.10.0 and 2.0.0, and a folder of another name."""
    for name in ('0.9.0', '0.10.0', '2.0.0', 'drafts'):
        (tmp_path / 'docs' / 'releases' / name).mkdir(parents=True)
    return tmp_path


def declare(root, version):
    (root / 'pyproject.toml').write_text(f'[project]\nversion = "{version}"\n')


class TestParseVersion:
    @pytest.mark.parametrize('text', ['1.2', 'v1.2.3', '1.2.3rc1', '01.2.3', '1.2.3\n', '../1.0.0'])
    def test_rejects(self, text):
        with pytest.raises(ReleaseInvalid, match='is not a version'):
            parse_version(text)


class TestNewestRelease:
    @pytest.mark.parametrize(
        ('version', 'newest'),
        [('2.0.0', '2.0.0'), ('1.0.0', '0.10.0'), ('0.10.0', '0.10.0'), ('0.1.0', None)],
    )
    def test_returns_no_release_that_is_newer_than_the_project(self, root, version, newest):
        declare(root, version)

        assert newest_release(root) == newest

    def test_returns_the_newest_without_a_project_file(self, root):
        assert newest_release(root) == '2.0.0'

    def test_rejects_a_project_file_without_a_version(self, root):
        (root / 'pyproject.toml').write_text('[project]\n')

        with pytest.raises(ReleaseInvalid, match=r'pyproject\.toml has no readable version'):
            newest_release(root)


class TestReadOpenapi:
    @pytest.mark.parametrize(
        ('content', 'fault'),
        [(None, 'does not exist'), ('{', 'is not JSON'), ('[]', 'is not an OpenAPI document')],
    )
    def test_names_an_unusable_document(self, root, content, fault):
        if content is not None:
            (root / 'docs' / 'releases' / '2.0.0' / 'openapi.json').write_text(content)

        with pytest.raises(ReleaseInvalid, match=fault):
            read_openapi(root, '2.0.0')
