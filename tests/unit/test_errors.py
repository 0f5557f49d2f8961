"""errors: one tree, and hints for misspelt words."""

import pytest

from beholder import errors


def test_every_error_is_a_users_mistake():
    found = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)]
    assert errors.ConfigError in found
    assert all(issubclass(error, errors.BeholderError) for error in found)


def test_the_drawn_tree_names_every_error():
    for name, value in vars(errors).items():
        if isinstance(value, type) and issubclass(value, Exception):
            assert name in (errors.__doc__ or "")


@pytest.mark.parametrize(
    ("word", "known", "hint"),
    [
        ("lerning_rate", ["learning_rate", "layers"], "; did you mean learning_rate?"),
        ("zzz", ["learning_rate", "layers"], "; known: learning_rate, layers"),
        ("zzz", [], ""),
        ("zzz", [f"setting_{number}" for number in range(100)], ""),
    ],
)
def test_nearest(word, known, hint):
    assert errors.nearest(word, known) == hint
