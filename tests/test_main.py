"""The command line: what it refuses, what it lists, and one run from start to finish."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import heed_interrupts

from tlcore import RunSpec, runs, words
from tlcore.__main__ import main
from tlcore.admission import admit
from tlcore.asking import asked
from tlcore.datasets import DATASETS
from tlcore.recipes import DEFAULT, RECIPES
from tlcore.strategies import STRATEGIES

ROOT = Path(__file__).resolve().parents[1]
KEYS = {
    "run", "status", "dataset", "source", "strategy", "seed", "test", "control", "gain", "receipt", "phases",
    "seconds", "elsewhere", "reason", "also",
}  # fmt: skip
LETTERS = RECIPES[DEFAULT].specs[0]
TRAINED_HERE = RECIPES["dense-evaluate"].specs[0]


def started(line: str) -> subprocess.Popen[str]:
    """The command line in a process of its own, as a person starts it."""
    return subprocess.Popen(
        [sys.executable, "-m", "tlcore", *line.split()], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd=ROOT, env={**os.environ, "TLCORE_LINGER": "0"}, preexec_fn=heed_interrupts,
    )  # fmt: skip


def listed(capsys: pytest.CaptureFixture[str], *argv: str) -> list[dict]:
    assert main([*argv, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("argv", "received", "remedy"),
    [
        ("rnu", "'rnu'", "did you mean 'run'?"),
        ("--json", "'--json'", "choose a command"),
        ("run --epoch 3", "'--epoch'", "did you mean '--epochs'?"),
        ("run --epochs", "'run --epochs'", "run --help"),
        ("run more", "'more'", "--help"),
        ("show", "'show'", "show --help"),
        ("run --epochs abc", "'abc'", "give epochs a value in that range"),
        ("run --epochs 2.5", "2.5", "give epochs a value in that range"),
        ("run --epochs 0", "0", "give epochs a value in that range"),
        ("run --epochs 1", "1", "choose more epochs"),
        ("run --batch-size 0", "0", "give batch_size a value in that range"),
        ("run --learning-rate nan", "nan", "give learning_rate a value in that range"),
        ("run --learning-rate -1", "-1.0", "give learning_rate a value in that range"),
        ("run --seed=-1", "-1", "give seed a value in that range"),
        ("run --samples-per-class 100000", "100000", "or leave it out to use all"),
        ("run --validation-share 0.5 --test-share 0.5", "0.5", "leave more to learn from"),
        ("run --recipe letters-to-digit", "'letters-to-digit'", "did you mean 'letters-to-digits'?"),
        ("run --dataset digit", "'digit'", "did you mean 'digits'?"),
        ("run --source leters", "'leters'", "did you mean 'letters'?"),
        ("run --source run:1", "'run:1'", "choose a source"),
        ("run --strategy fine-tune", "'fine-tune'", "did you mean 'fine_tune'?"),
        ("run --strategy last_blocks --blocks 99", "99", "choose fewer blocks"),
        ("run --network dense_64", "'dense_64'", "leave the network out"),
        ("run --optimizer Adam", "'Adam'", "did you mean 'adam'?"),
        ("run --loss hinge", "'hinge'", "choose a loss"),
        ("run --device tpu", "'tpu'", "did you mean 'gpu'?"),
        ("run --evaluate-on wine", "'wine'", "or leave it out"),
        ("run --dataset wine --source letters", "'letters'", "choose another source"),
        ("run --dataset wine --strategy lp_ft", "'none'", "choose a source"),
        ("run --strategy scratch --source letters", "'letters'", "choose the source 'none'"),
        ("run --source none --strategy lp_ft", "'none'", "choose a source"),
        ("run --strategy copy_all", "'copy_all'", "choose 'lp_ft'"),
        ("run --spec missing.json", "'missing.json'", "export a spec from a run"),
        ("run --spec x.json --recipe vectors", "'vectors'", "leave one of them out"),
        ("show nothing", "'nothing'", "list them with 'runs'"),
        ("stop ../..", "'../..'", "list them with 'runs'"),
        ("delete nothing", "'nothing'", "list them with 'runs'"),
        ("fetch nothing", "'nothing'", "choose a dataset"),
    ],
)
def test_what_it_refuses(argv: str, received: str, remedy: str, lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv.split(" ")) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith("\n") and err.count("\n") == 1
    assert received in err and remedy in err
    assert runs.all_runs() == [] and runs.waiting() == []


@pytest.mark.parametrize("name", ["wi\nne", "x" * 5000, "\x1b[31mred", "\udcff", ""])
def test_a_refusal_stays_on_one_short_line(name: str, lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--dataset", name]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and len(err) < 400 and err.rstrip("\n").isprintable()


def test_one_bad_value_of_many_starts_nothing(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--recipe", "mnist-to-fashion", "--epochs", "0", "--seed", "x"]) == 2
    err = capsys.readouterr().err
    assert "epochs: received 0" in err and "seed: received 'x'" in err
    assert runs.all_runs() == []


@pytest.mark.parametrize("text", ["", "[1]", '{"epoch": 3}', '{"epochs": "3"}', "[" * 90_000, "\xff"])
def test_a_file_that_is_no_spec(text: str, lab: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "spec.json"
    file.write_text(text, "latin-1")
    assert main(["run", "--spec", str(file)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("spec", "given", "expected"),
    [
        (LETTERS, {}, {}),
        (LETTERS, {"epochs": 7, "seed": 3}, {"epochs": 7, "seed": 3}),
        (LETTERS, {"dataset": "printed_digits"}, {"dataset": "printed_digits"}),
        (LETTERS, {"dataset": "wine"}, {"dataset": "wine", "source": "none", "strategy": "scratch", "network": None}),
        (LETTERS, {"dataset": "vectors_b"}, {"dataset": "vectors_b", "source": "vectors_a", "network": None}),
        (LETTERS, {"source": "none"}, {"source": "none", "strategy": "scratch"}),
        (LETTERS, {"strategy": "scratch"}, {"source": "none", "strategy": "scratch"}),
        (LETTERS, {"source": "vectors_a"}, {"source": "vectors_a", "network": None}),
        (TRAINED_HERE, {"dataset": "wine"}, {"dataset": "wine", "evaluate_on": None}),
        (TRAINED_HERE, {"strategy": "lp_ft"},
         {"strategy": "lp_ft", "source": "letters", "network": None, "control": True}),
        (TRAINED_HERE, {"source": "letters", "control": False},
         {"strategy": "lp_ft", "source": "letters", "network": None, "control": False}),
    ],
)  # fmt: skip
def test_partners_are_chosen_only_where_nothing_was_said(spec: RunSpec, given: dict, expected: dict, lab: Path) -> None:
    assert asked(spec, given) == spec.revised(**expected)


def test_specs_that_the_options_make_equal_are_asked_once(lab: Path) -> None:
    specs = {admit(asked(spec, {"strategy": "fine_tune"})) for spec in RECIPES["mnist-to-fashion"].specs}
    assert len(specs) == 1


def test_lists(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    datasets = {row["name"]: row for row in listed(capsys, "datasets")}
    assert [*datasets] == [*DATASETS]
    assert datasets["digits"].items() >= {"kind": "image", "shape": [8, 8, 1], "examples": 1797, "ready": True}.items()
    assert len(datasets["wine"]["classes"]) == 3 and not datasets["mnist"]["ready"]
    sources = {row["name"]: row for row in listed(capsys, "sources")}
    letters = sources["letters"]
    assert letters["trained"] is False and letters["accuracy"] is None and letters["run"] is None
    assert letters["parameters"] == sum(block["parameters"] for block in letters["blocks"]) > 0
    strategies = listed(capsys, "strategies")
    assert [row["name"] for row in strategies] == [*STRATEGIES]
    assert {*strategies[0]} == {"name", "title", "sentence", "when", "reference", "copies"}
    recipes = {row["name"]: row for row in listed(capsys, "recipes")}
    assert RunSpec.from_json(json.dumps(recipes[DEFAULT]["specs"][0])) == LETTERS
    assert listed(capsys, "runs") == []
    for name in ("datasets", "sources", "strategies", "recipes", "runs"):
        assert main([name]) == 0
    assert "8×8×1" in capsys.readouterr().out


def test_runs_that_wait_or_run(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    waiting, running = runs.create(LETTERS, label="[red]mine\n"), None
    shown = listed(capsys, "show", waiting)
    assert {*shown} == KEYS and shown["status"] == "waiting" and shown["test"] is None
    assert [phase["name"] for phase in shown["phases"]] == ["head", "everything learns"]
    assert main(["show", waiting]) == 0 and main(["runs"]) == 0
    assert "[red]mine\\n" in capsys.readouterr().out
    assert main(["stop", waiting]) == 0 and runs.get(waiting).status == "stopped"
    assert main(["delete", waiting]) == 0 and runs.all_runs() == []
    running, lock = runs.begin(LETTERS, "")
    capsys.readouterr()
    assert main(["delete", running.id]) == 2
    assert "stop it first" in capsys.readouterr().err and runs.get(running.id).status == "running"
    lock.release()
    assert listed(capsys, "show", running.id)["reason"].startswith("its engine was killed")


def test_a_home_that_cannot_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "lab.db").write_text("no database at all")
    monkeypatch.setenv("TLCORE_HOME", str(tmp_path))
    assert main(["runs"]) == 1
    monkeypatch.setenv("TLCORE_HOME", str(tmp_path / "lab.db"))
    assert main(["runs"]) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 2 and "put a good copy in its place" in err and "set TLCORE_HOME" in err


def test_nothing_heavy_is_loaded() -> None:
    heavy = "{'keras', 'tensorflow', 'streamlit', 'sklearn', 'pandas', 'rich', 'tlcore.engine'}"
    code = (
        f"import sys, tlcore.__main__; sys.exit(str({heavy} & {{*sys.modules}}) if {heavy} & {{*sys.modules}} else 0)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert loaded.returncode == 0, loaded.stderr


def test_a_run_from_start_to_finish(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    process = started("run --dataset wine --samples-per-class 10 --epochs 3 --seed 7 --json --label Mine")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    told = json.loads(out)
    assert {*told} == KEYS and out.count("\n") == 1 and err == ""
    assert (told["status"], told["dataset"], told["source"], told["strategy"], told["seed"]) == (
        "finished", "wine", "none", "scratch", 7,
    )  # fmt: skip
    assert {"accuracy", "loss", "macro_f1", "interval"} <= {*told["test"]} and "confusion" not in told["test"]
    assert told["control"] is None and told["gain"] is None and told["also"] == []
    assert [*told["receipt"]] == ["copied", "adapted", "new", "unused"]
    assert all({*total} == {"tensors", "parameters", "share"} for total in told["receipt"].values())
    (phase,) = told["phases"]
    assert {*phase} == {"name", "epochs", "learning_rate", "trainable_parameters", "frozen_parameters"}
    assert phase["epochs"] == 3 and phase["trainable_parameters"] == told["receipt"]["new"]["parameters"]
    assert 0 < told["seconds"]["training"] <= told["seconds"]["total"]
    assert listed(capsys, "show", told["run"]) == told
    (row,) = listed(capsys, "runs")
    assert (row["run"], row["label"], row["accuracy"]) == (told["run"], "Mine", told["test"]["accuracy"])
    assert f"run:{told['run']}" in [row["name"] for row in listed(capsys, "sources")]
    assert main(["show", told["run"]]) == 0
    shown = capsys.readouterr().out
    assert "Trained from scratch, it got" in shown and "model.keras" in shown and f"?run={told['run']}" in shown
    assert main(["delete", told["run"]]) == 0 and not runs.folder(told["run"]).exists()


def test_interrupted_it_keeps_what_was_learnt(lab: Path) -> None:
    process = started("run --dataset wine --epochs 9999")
    assert process.stdout
    for line in process.stdout:
        if line.startswith("phase 1"):
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    (run,) = runs.all_runs()
    assert run.status == "stopped" and run.result and (run.folder / "model.keras").is_file()
    assert f"{run.id} (stopped)" in out and "what was learnt is kept" in out


RESULT = {
    "test": {"accuracy": 0.91, "examples": 360}, "control": {"accuracy": 0.86, "examples": 360},
    "gain": {"gain": 0.05, "interval": [0.02, 0.08]},
}  # fmt: skip


@pytest.mark.parametrize(
    ("spec", "result", "sentence"),
    [
        (LETTERS, RESULT, "With 5 pictures a class, borrowing from “Printed letters” got 0.910; "
         "the same network from scratch got 0.860: +5 points. One seed: repeat with more before you rely on it."),
        (LETTERS.revised(samples_per_class=1), RESULT | {"gain": {"gain": -0.04, "interval": [-0.06, -0.02]}},
         "With 1 picture a class, borrowing from “Printed letters” got 0.910; "
         "the same network from scratch got 0.860: −4 "
         "points. Borrowing hurt here. One seed: repeat with more before you rely on it."),
        (LETTERS.revised(samples_per_class=None), RESULT | {"gain": {"gain": 0.01, "interval": [-0.01, 0.03]}},
         "With all its pictures, borrowing from “Printed letters” got 0.910; "
         "the same network from scratch got 0.860: +1 point. "
         "That is no clear difference on these 360 test examples."),
        (LETTERS.revised(control=False), RESULT | {"control": None, "gain": None},
         "With 5 pictures a class, borrowing from “Printed letters” got 0.910. No control was trained, "
         "so nothing can be said about whether borrowing helped."),
        (LETTERS.revised(dataset="wine", source="none", strategy="scratch"), RESULT | {"control": None, "gain": None},
         "Trained from scratch, it got 0.910 with 5 rows a class."),
    ],
)  # fmt: skip
def test_the_gain_in_words(spec: RunSpec, result: dict, sentence: str) -> None:
    assert words.gain_sentence(spec, result) == sentence


def test_numbers_in_words() -> None:
    assert [words.duration(s) for s in (0, 0.42, 0.99, 42.4, 59.6, 185, 3725)] == [
        "0 s", "0.4 s", "1 s", "42 s", "1 min 00 s", "3 min 05 s", "1 h 02 min",
    ]  # fmt: skip
    assert words.count(65760) == "65,760"
    assert [words.points(x) for x in (0.05, -0.004, 0.01, 0.0001)] == [
        "+5 points",
        "−0.4 points",
        "+1 point",
        "0 points",
    ]
