import dataclasses
import json

import pytest

from tlcore.spec import DEVICES, LOSSES, OPTIMIZERS, RANGES, Problem, Refused, RunSpec


def test_the_first_question_has_no_problem():
    assert RunSpec().problems() == []


def test_there_and_back():
    spec = RunSpec(samples_per_class=None, learning_rate=4.5e-6, evaluate_on="printed_digits", network="small_cnn")
    assert RunSpec.from_json(spec.to_json()) == spec
    assert json.loads(spec.to_json())["learning_rate"] == 4.5e-6


def test_what_is_left_out_is_as_usual():
    assert RunSpec.from_json('{"epochs": 3}') == RunSpec(epochs=3)


def test_a_spec_does_not_change():
    with pytest.raises(dataclasses.FrozenInstanceError):
        RunSpec().epochs = 3
    assert RunSpec().revised(epochs=3).epochs == 3


@pytest.mark.parametrize("field", RANGES)
def test_the_ends_of_a_range_are_in_it_and_what_lies_beyond_is_not(field: str):
    kind, least, most = RANGES[field]
    step = 1 if kind is int else least / 2 or 0.5
    for value in (kind(least), kind(most)):
        assert RunSpec(**{field: value}).problems() == []
    for value in (kind(least - step), kind(most + step)):
        (problem,) = RunSpec(**{field: value}).problems()
        assert problem.field == field and problem.received == value
        said = f"{least:,} to {most:,}" if kind is int else f"{least:g} to {most:g}"
        assert said in problem.expected and field in problem.remedy


@pytest.mark.parametrize("value", ["5", True, float("nan"), None, [3]])
@pytest.mark.parametrize("field", ["epochs", "learning_rate", "seed"])
def test_what_is_no_number_is_refused(field: str, value: object):
    assert [problem.field for problem in RunSpec(**{field: value}).problems()] == [field]


def test_a_whole_number_is_whole():
    assert [problem.field for problem in RunSpec(epochs=5.0).problems()] == ["epochs"]
    assert RunSpec(learning_rate=1).problems() == []


@pytest.mark.parametrize(("field", "choices"), [("optimizer", OPTIMIZERS), ("loss", LOSSES), ("device", DEVICES)])
def test_a_choice(field: str, choices: dict[str, str]):
    for name in choices:
        assert RunSpec(**{field: name}).problems() == []
    (problem,) = RunSpec(**{field: "adan"}).problems()
    assert problem.field == field and all(name in problem.expected for name in choices)
    assert [p.field for p in RunSpec(**{field: ["adam"]}).problems()] == [field]


@pytest.mark.parametrize("field", ["dataset", "source", "strategy", "network", "evaluate_on"])
def test_a_name_is_a_string(field: str):
    assert [problem.field for problem in RunSpec(**{field: 7}).problems()] == [field]


def test_control_is_true_or_false():
    assert [problem.field for problem in RunSpec(control=1).problems()] == ["control"]


def test_all_complaints_at_once():
    with pytest.raises(Refused) as caught:
        RunSpec.from_json('{"epochs": 0, "learning_rate": -1, "optimizer": "adma"}')
    assert {problem.field for problem in caught.value.problems} == {"epochs", "learning_rate", "optimizer"}
    assert "did you mean 'adam'?" in str(caught.value)


def test_an_unknown_field_is_answered_with_the_nearest():
    with pytest.raises(Refused) as caught:
        RunSpec.from_json('{"lerning_rate": 0.1}')
    (problem,) = caught.value.problems
    assert problem.received == "lerning_rate" and problem.remedy == "did you mean 'learning_rate'?"


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null", b"\xff\xfe", "[" * 100_000, '{"epochs": 1e999}'])
def test_what_is_no_spec_is_refused(text: str | bytes):
    with pytest.raises(Refused):
        RunSpec.from_json(text)


def test_a_problem_says_what_came_what_was_expected_and_what_to_do():
    assert str(Problem("epochs", 0, "1 or more", "ask for more")) == (
        "epochs: received 0, expected 1 or more; ask for more"
    )


PHASE = {"name": "one", "epochs": 3, "learning_rate": 0.01, "learning": ["head"]}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"learning": ["conv1", "conv1", "head"]}, "each block once"),
        ({"factors": [True]}, "one number above 0"),
        ({"name": None}, "a name of at most"),
        ({"name": "x" * 5000}, "a name of at most"),
        ({"schedule": "cosinus"}, "cosine"),
        ({"schedule": ["cosine"]}, "cosine"),
        ({"warm_up": -4}, "a whole number from 0"),
        ({"epochs": 10_001}, "a whole number from 1"),
    ],
)
def test_a_phase_that_cannot_be_is_refused(change: dict, said: str):
    with pytest.raises(Refused, match=said):
        RunSpec.from_json(json.dumps({"strategy": "custom", "plan": [PHASE | change]}))


def test_a_plan_has_no_more_phases_and_epochs_than_a_run():
    with pytest.raises(Refused, match="at most 200"):
        RunSpec.from_json(json.dumps({"strategy": "custom", "plan": [PHASE] * 201}))
    with pytest.raises(Refused, match="epochs: received 20000"):  # a run of so many could not be read again
        RunSpec.from_json(json.dumps({"strategy": "custom", "plan": [PHASE | {"epochs": 10_000}] * 2}))
