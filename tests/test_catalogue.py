import pytest

from tlcore.catalogue import Catalogue, UnknownName

FRUIT = Catalogue("fruit", [("apple", 1), ("pear", 2)])


def test_a_name_that_is_there():
    assert FRUIT["apple"] == 1 and [*FRUIT] == ["apple", "pear"]


def test_a_wrong_name_is_answered_with_the_nearest_and_with_all():
    with pytest.raises(UnknownName) as caught:
        FRUIT["appel"]
    assert str(caught.value) == "unknown fruit 'appel': expected one of apple, pear; did you mean 'apple'?"
    assert caught.value.names == ["apple", "pear"]


def test_a_name_unlike_any_other():
    with pytest.raises(UnknownName) as caught:
        FRUIT["xyz"]
    assert caught.value.remedy == "choose a fruit from the list"


def test_a_name_that_is_no_string():
    with pytest.raises(UnknownName, match="unknown fruit 3"):
        FRUIT[3]


def test_an_empty_catalogue():
    with pytest.raises(UnknownName, match="one of nothing yet"):
        Catalogue("fruit")["apple"]


def test_get_still_gives_a_default():
    assert FRUIT.get("appel") is None and "appel" not in FRUIT
