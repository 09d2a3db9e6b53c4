"""Names in all their forms."""

import pytest

from project.core.cli.feature_kit.words import (
    Words,
    is_ambiguous,
    plural_of,
    replace_words,
    singular_of,
    snake_of,
)


class TestWords:
    def test_have_the_forms_of_code_and_prose(self):
        words = Words('rare_book')

        assert list(words.forms()) == [
            'rare_book', 'RARE_BOOK', 'RareBook', 'rare-book', 'rare book', 'Rare book',
        ]  # fmt: skip


class TestSnakeOf:
    @pytest.mark.parametrize(
        ('name', 'snake'),
        [
            ('Invoice', 'invoice'),
            ('RareBook', 'rare_book'),
            ('V2Key', 'v2_key'),
            ('VATRate', 'vat_rate'),
        ],
    )
    def test_separates_words(self, name, snake):
        assert snake_of(name) == snake


class TestPluralOf:
    @pytest.mark.parametrize(
        ('singular', 'plural'),
        [
            ('invoice', 'invoices'), ('city', 'cities'), ('day', 'days'), ('box', 'boxes'),
            ('address', 'addresses'), ('batch', 'batches'), ('rare_book', 'rare_books'),
        ],
    )  # fmt: skip
    def test_adds_the_english_ending(self, singular, plural):
        assert plural_of(singular) == plural


class TestSingularOf:
    @pytest.mark.parametrize('singular', ['invoice', 'day', 'rare_book', 'photo', 'sale'])
    def test_returns_the_singular(self, singular):
        assert singular_of(f'{singular}s') == singular

    @pytest.mark.parametrize('word', ['billing', 'address', 's', 'news_feed', 'movies'])
    def test_returns_none_for_a_word_that_is_not_a_clear_plural(self, word):
        assert singular_of(word) is None


class TestIsAmbiguous:
    @pytest.mark.parametrize(
        'word',
        [
            'movies', 'statuses', 'cookies', 'series', 'heroes', 'boxes', 'caches', 'axes',
            'quizzes', 'dishes', 'news', 'daily_news', 'status', 'shelves', 'people',
        ],
    )  # fmt: skip
    def test_returns_true_if_the_form_does_not_show_the_singular(self, word):
        assert is_ambiguous(word)

    @pytest.mark.parametrize('word', ['billing', 'invoices', 'news_feed', 'address', 'photos'])
    def test_returns_false_for_other_words(self, word):
        assert not is_ambiguous(word)


class TestReplaceWords:
    @pytest.mark.parametrize(
        ('text', 'replaced'),
        [
            ('class RareBookRow:', 'class OpenOrderRow:'),
            ('A rare book.', 'An open order.'),
            ('the values of a `RareBook`', 'the values of an `OpenOrder`'),
            ('def test_creates_a_rare_book(self)', 'def test_creates_an_open_order(self)'),
            ('RARE_BOOKS, RARE_BOOK', 'OPEN_ORDERS, OPEN_ORDER'),
            ("'/rare-books/<uuid:rare_book_id>'", "'/open-orders/<uuid:open_order_id>'"),
        ],
    )
    def test_replaces_all_forms_and_articles(self, text, replaced):
        names = {
            Words('rare_books'): Words('open_orders'),
            Words('rare_book'): Words('open_order'),
        }

        assert replace_words(text, names) == replaced

    def test_keeps_the_article_before_a_consonant(self):
        assert replace_words('a rare book', {Words('rare_book'): Words('user')}) == 'a user'
