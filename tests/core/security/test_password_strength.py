"""Estimation of password strength."""

from itertools import cycle, islice
from time import thread_time

import pytest

from project.core.security.password_strength import is_guessable

# All characters that zxcvbn reads as letters, such as `4` for `a`. Many can mean two letters.
SYMBOLS = '4@8({[<369&#!1/|0$5+7%2'


class TestIsGuessable:
    @pytest.mark.parametrize(
        'password',
        ['P@ssw0rd1', 'Password123!', 'Summer2023', 'qwertyuiop', 'x' * 128, 'p@ssw0rd' * 9],
    )
    def test_is_true_for_usual_words_and_patterns(self, password):
        assert is_guessable(password)

    @pytest.mark.parametrize(
        'password', ['correct horse battery', 'kvqzmwpt', 'x' * 18 + 'correct horse battery']
    )
    def test_is_false_for_several_words_and_for_random_characters(self, password):
        assert not is_guessable(password)

    @pytest.mark.parametrize('password', ['Zqkvxwpj1', 'jpwxvkqz', 'zqkvxwpj-2023'])
    def test_counts_the_given_words_as_known(self, password):
        assert not is_guessable(password)
        assert is_guessable(password, ['ZQKVXWPJ'])

    def test_does_not_keep_the_given_words(self):
        is_guessable('zqkvxwpj', ['zqkvxwpj'])

        assert not is_guessable('zqkvxwpj')

    @pytest.mark.parametrize('start', ['', 'x' * 18, 'x' * 36, SYMBOLS[:6] * 3])
    def test_is_fast_for_symbols_that_can_represent_letters(self, start):
        password = (start + ''.join(islice(cycle(SYMBOLS[::-1] + SYMBOLS[::2]), 72)))[:128]
        before = thread_time()

        is_guessable(password)

        # It takes 0.2 s. Without the length limit of this service, zxcvbn takes 7 s.
        assert thread_time() - before < 2
