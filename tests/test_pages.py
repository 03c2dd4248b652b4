"""Every page by AppTest, alone and within the app, with its default time limit of 3 s."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from tlcore import RunSpec, runs
from tlcore.admission import admit
from tlcore.recipes import RECIPES

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("dataset", "advice", "strategy", "training", "race", "results", "runs")

COLD = """
import sys, time
from streamlit.testing.v1 import AppTest
page = AppTest.from_file(sys.argv[1]).run()
assert not page.exception, page.exception[0].message
assert page.title, "no title"
heavy = {"keras", "tensorflow", "sklearn", "scipy"} & set(sys.modules)
assert not heavy, heavy
"""


def at(name: str) -> AppTest:
    return AppTest.from_file(str(ROOT / ("app.py" if name == "app" else f"pages/{name}.py"))).run()


def click(app: AppTest, label: str) -> AppTest:
    """Press the button whose label begins so."""
    (button, *_) = [button for button in app.button if button.label.startswith(label)]
    button.click()
    app.run()
    assert not app.exception, app.exception[0].message
    return app


def texts(app: AppTest) -> str:
    kinds = (app.title, app.markdown, app.caption, app.info, app.success, app.warning, app.error, app.subheader)
    return "\n".join(element.value for kind in kinds for element in kind)


@pytest.mark.parametrize("page", ["app.py", *(f"pages/{name}.py" for name in PAGES)])
def test_opens_cold_and_alone_and_without_keras(page: str, lab: Path) -> None:
    cold = subprocess.run([sys.executable, "-c", COLD, page], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert cold.returncode == 0, cold.stderr[-2000:]


@pytest.mark.parametrize("page", ["training", "results", "runs"])
def test_a_page_without_data_invites(page: str, lab: Path) -> None:
    app = at(page)
    assert "Choose a dataset to begin" in [button.label for button in app.button]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_at_most_one_primary_button(page: str, source_run: str) -> None:
    primary = [button.label for button in at(page).button if button.proto.type == "primary"]
    assert len(primary) <= 1, primary


def test_the_primary_buttons_lead_from_the_dataset_to_a_queued_run(taken_slot: Path) -> None:
    app = click(at("app"), "Next")
    assert app.title[0].value == "Choose a strategy"
    app = click(app, "Start training")
    assert app.title[0].value == "Training"
    (run,) = runs.all_runs()
    assert app.query_params["run"] in (run.id, [run.id])
    assert run.spec == RECIPES["letters-to-digits"].specs[0]


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_starts_with_exactly_its_questions(name: str, taken_slot: Path) -> None:
    app = click(at("app"), RECIPES[name].title)
    assert app.title[0].value == "Choose a strategy"
    click(app, "Start")
    assert [run.spec for run in reversed(runs.all_runs())] == [admit(spec) for spec in RECIPES[name].specs]


def test_a_choice_on_one_page_is_kept_on_the_others(lab: Path) -> None:
    app = at("app")
    app.button(key="choose wine").click()
    app.run()
    app.number_input(key="field seed").set_value(7)
    app.run()
    app = click(app, "Next")
    assert "**Wine**" in texts(app)
    assert app.number_input(key="field seed").value == 7
    offered = [button.label for button in app.button if str(button.key).startswith("choose ")]
    assert offered == ["**From scratch**"]  # nobody's network takes 13 features
    spec: RunSpec = app.session_state["draft"]
    assert (spec.dataset, spec.source, spec.seed) == ("wine", "none", 7)


def test_a_learning_rate_reaches_the_draft_unrounded(lab: Path) -> None:
    app = at("strategy")
    app.number_input(key="field learning_rate").set_value(4.5e-6)
    app.run()
    assert app.session_state["draft"].learning_rate == 4.5e-6


def test_what_cannot_be_is_refused_in_the_form(lab: Path) -> None:
    app = at("strategy")
    app.pills(key="field group of strategies").set_value("Rates by depth")
    app.run()
    app = click(app, "**Gradual unfreezing**")
    app.number_input(key="field epochs").set_value(2)
    app.run()
    assert "at least 4" in texts(app)
    (start,) = [button for button in app.button if button.label == "Start training"]
    assert start.disabled


def test_the_plan_is_drawn_before_anything_runs(lab: Path) -> None:
    figure = json.loads(at("strategy").get("plotly_chart")[0].proto.spec)
    head, everything = (trace for trace in figure["data"] if trace["type"] == "bar")
    assert head["y"] == ["conv1", "conv2", "conv3", "head"]
    assert head["text"] == ["frozen", "frozen", "frozen", "0.01"]
    assert everything["text"] == ["0.001"] * 4


def test_a_finished_run_is_shown_with_all_its_parts(source_run: str) -> None:
    app = at("results")
    assert not app.exception
    said = texts(app)
    for part in ("Trained from scratch, it got", "Which classes it confuses", "What it got wrong", "Take it with you"):
        assert part in said
    assert {"Model (.keras)", "Numbers (CSV)", "Spec (JSON)"} == {own.label for own in app.get("download_button")}


def test_a_damaged_artefact_leaves_the_rest_of_the_page(source_run: str) -> None:
    (runs.folder(source_run) / "mistakes.npz").write_bytes(b"not an archive")
    (runs.folder(source_run) / "model.keras").unlink()
    app = at("results")
    assert not app.exception
    assert "mistakes.npz" in texts(app)
    assert "model.keras is missing" in texts(app)
    assert "Numbers (CSV)" in [own.label for own in app.get("download_button")]


@pytest.mark.parametrize("page", ["strategy", "training", "results", "runs"])
def test_a_damaged_list_of_runs_is_named_and_kept(page: str, lab: Path) -> None:
    lab.mkdir(parents=True, exist_ok=True)
    (lab / "lab.db").write_bytes(b"this is no database" * 100)
    app = at(page)
    assert not app.exception
    assert "lab.db cannot be read" in texts(app)
    assert (lab / "lab.db").read_bytes() == b"this is no database" * 100


def test_a_run_that_is_gone_is_said_to_be(source_run: str) -> None:
    app = AppTest.from_file(str(ROOT / "pages/results.py"))
    app.query_params["run"] = "20200101000000deadbeef"
    app.run()
    assert not app.exception
    assert "no run 20200101000000deadbeef" in texts(app)


@pytest.mark.parametrize(
    "hostile", ["../../etc/passwd", "<script>alert(1)</script>", "x" * 5000, "%00", "run:1;DROP TABLE runs"]
)
def test_a_hostile_address_shows_no_run_and_harms_none(hostile: str, source_run: str) -> None:
    for page in ("training", "results"):
        app = AppTest.from_file(str(ROOT / f"pages/{page}.py"))
        app.query_params["run"] = hostile
        app.run()
        assert not app.exception
    assert runs.get(source_run).status == "finished"


def test_failed_and_lost_runs_say_why_in_plain_words(lab: Path) -> None:
    failed, lost = runs.create(RunSpec()), runs.create(RunSpec())
    for run in (failed, lost):
        runs.tell(run, "started", pid=1)
    runs.tell(failed, "failed", reason="There was not enough memory.", details="Traceback …")
    for run, words in ((failed, "There was not enough memory"), (lost, "The run was lost.")):
        app = AppTest.from_file(str(ROOT / "pages/training.py"))
        app.query_params["run"] = run
        app.run()
        assert not app.exception
        assert words in texts(app)


def test_a_run_made_by_another_version_does_not_break_the_list(source_run: str) -> None:
    runs.create({"dataset": "digits", "invented": 1})
    for page in PAGES:
        assert not at(page).exception


def test_runs_can_be_found_by_words(source_run: str) -> None:
    app = at("runs")
    assert len(app.dataframe[0].value) == 1
    app.text_input(key="find").set_value("no such thing")
    app.run()
    assert len(app.dataframe[0].value) == 0


def test_a_spec_can_be_loaded_again(lab: Path) -> None:
    wanted = RunSpec(
        dataset="wine", source="none", strategy="scratch", network="dense_64", learning_rate=4.5e-6, seed=3
    )
    app = at("strategy")
    app.file_uploader[0].upload("spec.json", wanted.to_json().encode(), "application/json")
    app.run()
    app = click(app, "Use these settings")
    assert app.session_state["draft"] == wanted.revised(control=False)
    assert app.number_input(key="field learning_rate").value == 4.5e-6


@pytest.mark.parametrize("content", [b"", b"not JSON", b'{"dataset": "nope"}', b'{"epochs": -1}', b"[1]", b"\xff\xfe"])
def test_a_wrong_spec_is_refused_and_changes_nothing(content: bytes, lab: Path) -> None:
    app = at("strategy")
    before = app.session_state["draft"]
    app.file_uploader[0].upload("spec.json", content, "application/json")
    app.run()
    if any(button.label == "Use these settings" for button in app.button):  # an empty file is none
        app = click(app, "Use these settings")
        assert app.error
    assert app.session_state["draft"] == before


def test_a_draft_whose_source_was_deleted_can_go_on(lab: Path) -> None:
    app = AppTest.from_file(str(ROOT / "pages/strategy.py"))
    app.session_state["draft"] = RunSpec(source="run:20200101000000deadbeef")
    app.run()
    assert not app.exception
    assert "is gone" in texts(app)
    assert (app.session_state["draft"].source, app.session_state["draft"].strategy) == ("none", "scratch")


def test_another_source_takes_its_own_network(source_run: str) -> None:
    app = at("strategy")
    for kind, source, strategy in (
        ("none", "none", "scratch"), ("trained", "letters", "lp_ft"), ("run", f"run:{source_run}", "lp_ft"),
        ("imagenet", "imagenet/mobilenet_0.25", "lp_ft"),
    ):  # fmt: skip
        app.pills(key="field kind of source").set_value(kind)
        app.run()
        assert not app.exception
        assert (app.session_state["draft"].source, app.session_state["draft"].strategy) == (source, strategy)
    app.selectbox(key="field source").set_value("imagenet/resnet50")
    app.run()
    assert not app.exception and app.session_state["draft"].source == "imagenet/resnet50"
    assert "102 MB" in texts(app) or "MB are downloaded" in texts(app)


def test_what_is_ticked_does_not_slip_to_another_run(source_run: str) -> None:
    key = at("runs").dataframe[0].proto.id
    runs.create(RunSpec())
    assert at("runs").dataframe[0].proto.id != key


def test_every_share_that_may_be_asked_for_can_be_shown(lab: Path) -> None:
    app = AppTest.from_file(str(ROOT / "pages/dataset.py"))
    app.session_state["draft"] = RunSpec(validation_share=0.5, test_share=0.5)
    app.run()
    assert not app.exception
    assert [own.value for own in app.slider if own.label.startswith("Share")] == [0.5, 0.5]


def test_the_colour_of_several_seeds_claims_no_more_than_their_words(source_run: str) -> None:
    """An interval above zero beside a sign-flip test that is not significant: one gain of six is a loss."""
    result = runs.get(source_run).result or {}
    for seed, gain in enumerate((0.035, 0.03, 0.028, 0.02, 0.012, -0.002)):
        spec = RunSpec(source="letters", strategy="linear_probe", samples_per_class=5, seed=seed)
        run = runs.create(admit(spec))
        told = {"control": result["test"], "gain": {"gain": gain, "interval": [gain - 0.01, gain + 0.01]}}
        runs.tell(run, "started", pid=1)
        runs.tell(run, "result", **{**result, **told})
        runs.tell(run, "finished", seconds=result["seconds"])
    app = at("results")
    assert "not significant" in app.info[0].value and not app.success
