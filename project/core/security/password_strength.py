"""Estimate, with zxcvbn, of how many attempts an attacker needs to guess a password."""

from collections.abc import Iterable

# The number of attempts that a password must withstand: the lower limit of zxcvbn's score 3 of 4.
# It is sufficient because attempts are throttled.
MIN_PASSWORD_STRENGTH = 10**8  # attempts

# The lengths of the prefixes of a password that are estimated. A prefix is never stronger than the
# whole password, so if it is strong, the rest need not be estimated. This limits the time: zxcvbn
# takes 7 s for 72 symbols that may replace letters.
ESTIMATED_CHARACTERS = (18, 36, 72)


def is_guessable(password: str, words: Iterable[str] = ()) -> bool:
    """Return whether `MIN_PASSWORD_STRENGTH` attempts are enough to guess a password.

    It takes some milliseconds, and up to 0.2 s for long repetitive passwords. So do not call it
    inside `atomic`.

    :param words: words that an attacker tries first, such as the username.
    """
    known = [word.lower() for word in words]
    parts = dict.fromkeys(password[:length] for length in ESTIMATED_CHARACTERS)
    return all(_estimate_strength(part, known) < MIN_PASSWORD_STRENGTH for part in parts)


def _estimate_strength(password: str, words: list[str]) -> float:
    # Imported here: the word lists take 50 ms to load, and most commands do not need them.
    from zxcvbn import matching, scoring

    # Do not use `zxcvbn()`: it adds `words` to a dictionary that all threads share.
    dictionaries = {
        **matching.RANKED_DICTIONARIES,
        'user_inputs': matching.build_ranked_dict(words),
    }
    matchers = [
        matching.dictionary_match,
        matching.reverse_dictionary_match,
        matching.spatial_match,
        matching.repeat_match,
        matching.sequence_match,
        matching.regex_match,
        matching.date_match,
    ]
    if len(password) <= ESTIMATED_CHARACTERS[0]:
        # This matcher finds symbols that replace letters (p@ssw0rd). Its time grows exponentially
        # with the length, so it is used for short passwords only.
        matchers.append(matching.l33t_match)
    matches = [
        match
        for find_matches in matchers
        for match in find_matches(password, _ranked_dictionaries=dictionaries)
    ]
    matches.sort(key=lambda match: (match['i'], match['j']))
    return float(scoring.most_guessable_match_sequence(password, matches)['guesses'])
