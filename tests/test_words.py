"""Sentences, word by word."""

import pytest

from tlcore.words import epochs, receipt_sentence


def receipt(adapted: int, difference: float | None, checked: str | None) -> dict[str, object]:
    def total(parameters: int) -> dict[str, float]:
        return {"tensors": int(parameters > 0), "parameters": parameters, "share": parameters / 2000}

    fates = {"copied": total(1500), "adapted": total(adapted), "new": total(500 - adapted), "unused": total(1290)}
    told = {**fates, "rows": [], "largest_difference": difference}
    return told if checked is None else {**told, "checked": checked}


COPIED = (
    "1,500 of the network's parameters (75%) came from the source; 500 are new; 1,290 of the source's were not used."
)
ADAPTED = (
    "1,500 of the network's parameters (75%) came from the source as they were; 100 (5%) were adapted to fit; "
    "400 are new; 1,290 of the source's were not used."
)
ANSWERED = " Before training, the borrowed body answered"


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        (receipt(0, 0.0, ""), f"{COPIED}{ANSWERED} exactly as the source's."),
        (receipt(0, 0.0, None), f"{COPIED}{ANSWERED} exactly as the source's."),  # from before adapting
        (receipt(0, None, None), COPIED),
        (
            receipt(100, 1.2e-6, "on pictures without colour"),
            f"{ADAPTED}{ANSWERED} as the source's does, but for 1.2e-06 at most, on pictures without colour.",
        ),
        (
            receipt(0, None, "the input layer was replaced"),
            f"{COPIED} Whether the borrowed body answers as the source's cannot be checked: "
            "the input layer was replaced.",
        ),
    ],
)
def test_what_became_of_the_weights_in_words(told: dict, sentence: str) -> None:
    assert receipt_sentence(told) == sentence


def test_what_is_new_keeps_the_rest_from_being_all_and_what_is_nothing_is_not_told() -> None:
    told = receipt(0, 0.0, "")
    told |= {"copied": {"tensors": 80, "parameters": 218_544, "share": 0.9962}}
    told |= {"unused": {"tensors": 0, "parameters": 0, "share": 0.0}}
    said = receipt_sentence(told)
    assert said.startswith("218,544 of the network's parameters (99.6%) came from the source; 500 are new. Before")


@pytest.mark.parametrize(("n", "said"), [(1, "1 epoch"), (2, "2 epochs"), (10_000, "10,000 epochs")])
def test_epochs_are_counted_in_words(n: int, said: str) -> None:
    assert epochs(n) == said
