"""The command ``advise``: what it prints, what it offers to run, and what it refuses."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from tlcore import __main__ as command_line
from tlcore import asking, runs
from tlcore.admission import admit
from tlcore.recipes import budgeted

LOOK = "advise --dataset printed_digits --samples-per-class 5 --seed 3 --sources run:{0},run:{0}"


def test_what_it_offers_is_the_question_that_was_looked_at(source_run: str, capsys: pytest.CaptureFixture[str]):
    assert command_line.main(LOOK.format(source_run).split()) == 0
    printed = capsys.readouterr().out
    assert "The thresholds are ours" in printed and "told apart" in printed
    offered = shlex.split(printed.partition("Try it: python -m tlcore ")[2])
    (spec,) = asking.questions(command_line._parsed(offered))
    assert admit(spec).seed == 3 and (spec.dataset, spec.samples_per_class) == ("printed_digits", 5)
    assert (spec.epochs, spec.batch_size) == (budgeted(spec).epochs, budgeted(spec).batch_size)
    assert command_line.main([*LOOK.format(source_run).split(), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["title"] in printed and told["spec_changes"]["strategy"] == spec.strategy
    assert [json.loads(own.question)["sources"] for own in runs.all_runs(runs.ADVISE)] == 2 * [[f"run:{source_run}"]]


@pytest.mark.parametrize(
    ("options", "received"),
    [
        ("--sources ,", "received ','"), ("--sources leters", "did you mean 'letters'?"), ("--seed x", "received 'x'"),
        ("--dataset nope", "received 'nope'"), ("--samples-per-class 0", "received 0"),
    ],
)  # fmt: skip
def test_it_refuses_in_one_line(options: str, received: str, lab: Path, capsys: pytest.CaptureFixture[str]):
    assert command_line.main(["advise", *options.split()]) == 2
    complaint = capsys.readouterr().err
    assert received in complaint and complaint.count("\n") == 1
    assert not runs.all_runs(runs.ADVISE)
