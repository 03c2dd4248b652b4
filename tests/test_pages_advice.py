"""The page of advice in all its states, by AppTest."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from streamlit.testing.v1 import AppTest
from test_advice import FALLING, STEADY, figures, row
from test_pages import COLD, ROOT, click, texts

from tlcore import RunSpec, probing, runs, worker


def at(spec: RunSpec | None = None) -> AppTest:
    app = AppTest.from_file(str(ROOT / "pages/advice.py"))
    if spec:
        app.session_state["draft"] = spec
    app.run()
    assert not app.exception, app.exception[0].message
    return app


def primary(app: AppTest) -> list[str]:
    return [button.label for button in app.button if button.proto.type == "primary"]


def answered(spec: RunSpec, sources: list[str], told: dict[str, Any]) -> str:
    job = runs.create(probing.question(spec, sources), task=runs.ADVISE)
    runs.tell(job, "started", pid=1)
    runs.tell(job, "result", **told)
    runs.tell(job, "finished", seconds={"total": 9.0, "training": 0.0})
    return job


def test_opens_cold_and_alone_and_without_keras(lab: Path) -> None:
    cold = subprocess.run(
        [sys.executable, "-c", COLD, "pages/advice.py"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert cold.returncode == 0, cold.stderr[-2000:]


def test_at_first_it_invites_and_says_what_it_costs(lab: Path) -> None:
    app = at()
    assert primary(app) == ["Look at my data"]
    said = texts(app)
    assert "5 a class: 50 pictures" in said and "What should I do?" in said
    assert "About 10 s, after Printed letters was trained here" in said and "Not on this computer" in said
    assert app.multiselect[0].value == ["letters"]


def test_the_button_asks_an_engine_and_the_page_follows_it(lab: Path) -> None:
    with FileLock(worker.slot_lock("studio0")):
        app = click(at(), "Look at my data")
        (job,) = runs.all_runs(runs.ADVISE)
        assert job.asks(probing.question(RunSpec(network="small_cnn"), ["letters"]))
        assert [button.label for button in app.button if "Look" in button.label] == []
        click(app, "Cancel")
        assert runs.get(job.id).status == "stopped"
        assert primary(at()) == ["Look at my data"]


def test_an_answer_is_shown_and_used_with_one_click(source_run: str) -> None:
    name = f"run:{source_run}"
    spec = RunSpec(dataset="printed_digits", source="letters", samples_per_class=5, strategy="scratch")
    answered(spec, [name, "letters"], figures(5, row(name, FALLING), row("letters", STEADY)))
    app = at(spec)  # a new visitor: the sources are those of the last look
    assert app.multiselect[0].value == [name, "letters"]
    assert primary(app) == ["Use this"] and app.subheader[0].value.startswith("Last blocks, from")
    said = texts(app)
    for part in ("5 pictures a class", "thresholds that are ours", "rough", "How well your classes can be told apart"):
        assert part in said
    table = app.dataframe[0].value
    assert [*table["told apart"]] == [0.8, 0.8] and [*table["helps"]] == [True, True]
    figure = json.loads(app.get("plotly_chart")[0].proto.spec)
    names = [trace["name"] for trace in figure["data"] if trace.get("name")]
    assert len(names) == 4 and "Letters" in names and "the pictures themselves" in names
    click(app, "Race strategies")  # with the recommended source, whatever the draft borrows from
    assert app.session_state["wish race sources"] == [name] and app.session_state["race"] == ""
    click(app, "Use this")
    draft = app.session_state["draft"]
    assert (draft.source, draft.strategy, draft.blocks, draft.learning_rate) == (name, "last_blocks", 1, 0.003)
    assert (draft.dataset, draft.samples_per_class, draft.control) == ("printed_digits", 5, True)


def test_another_choice_of_sources_is_another_question(source_run: str) -> None:
    spec = RunSpec(dataset="printed_digits", source="letters", samples_per_class=5)
    answered(spec, ["letters"], figures(5, row("letters", STEADY)))
    app = at(spec)
    assert primary(app) == ["Use this"]
    app.multiselect[0].set_value(["letters", f"run:{source_run}"])
    app.run()
    assert primary(app) == ["Look at my data"] and not app.subheader
    app.multiselect[0].set_value([])
    app.run()
    assert next(button for button in app.button if button.label == "Look at my data").disabled


def test_negative_transfer_is_warned_of_and_scratch_is_used(lab: Path) -> None:
    spec = RunSpec()
    told = figures(5, row("letters", (0.4, 0.41, 0.4), random=0.4)) | {
        "left_out": [{"source": "mnist", "reason": "MNIST, dense is not on this computer: fetch it first"}]
    }
    answered(spec, ["letters"], told)
    app = at(spec)
    assert any("negative transfer" in ui_warning.value for ui_warning in app.warning)
    assert "Left out: MNIST" in texts(app)
    click(app, "Use this")
    draft = app.session_state["draft"]
    assert (draft.source, draft.strategy, draft.control) == ("none", "scratch", False)


def test_a_second_look_that_is_cancelled_takes_no_answer_away(lab: Path) -> None:
    answered(RunSpec(), ["letters"], figures(5, row("letters", STEADY)))
    with FileLock(worker.slot_lock("studio0")):
        app = click(click(at(), "Look again"), "Cancel")
        assert [job.status for job in runs.all_runs(runs.ADVISE)] == ["stopped", "finished"]
        assert primary(at()) == ["Use this"] and not app.exception


@pytest.mark.parametrize(("ending", "words"), [("failed", "no disk is left"), ("lost", "The look was lost")])
def test_a_look_that_came_to_nothing_says_why(ending: str, words: str, lab: Path) -> None:
    job = runs.create(probing.question(RunSpec(), ["letters"]), task=runs.ADVISE)
    runs.tell(job, "started", pid=1)
    if ending == "failed":
        runs.tell(job, "failed", reason="no disk is left", details="")
    app = at()
    assert words in texts(app) and primary(app) == ["Look at my data"]


def test_tables_and_data_that_nothing_fits_are_answered_for(lab: Path) -> None:
    app = at(RunSpec(dataset="vectors_b", source="vectors_a", samples_per_class=20))
    assert app.multiselect[0].value == ["vectors_a"] and "200 rows" in texts(app)
    app = at(RunSpec(dataset="cifar10", source="none", strategy="scratch"))
    assert "not on this computer" in texts(app) and primary(app) == ["Choose a dataset to begin"]


def test_what_cannot_be_split_is_refused(lab: Path) -> None:
    app = at(RunSpec(samples_per_class=5_000))
    assert "Examples a class" in texts(app) and not app.multiselect
