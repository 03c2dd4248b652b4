"""The page of strategies: every one within a click or two, its own settings, the ladder, the estimate, the finder."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from streamlit.testing.v1 import AppTest

from tests.test_estimates import MEASURED
from tlcore import RunSpec, admission, estimates, races, runs, worker
from tlcore.spec import Phase
from tlcore.strategies import STRATEGIES

PAGE = str(Path(__file__).resolve().parents[1] / "pages/strategy.py")
MOBILENET = RunSpec(source="imagenet/mobilenet_0.25", network=None)


@pytest.fixture
def no_engine(lab: Path) -> Iterator[Path]:
    """A home in which jobs stay in the queue."""
    lab.mkdir(parents=True, exist_ok=True)
    with FileLock(worker.slot_lock("train0")), FileLock(worker.slot_lock("studio0")):
        yield lab


def opened(**changes: Any) -> AppTest:
    app = AppTest.from_file(PAGE)
    app.session_state["draft"] = RunSpec(network="small_cnn").revised(**changes)
    return run(app)


def run(app: AppTest) -> AppTest:
    app.run()
    assert not app.exception, app.exception[0].message
    return app


def press(app: AppTest, key: str) -> AppTest:
    app.button(key=key).click()
    return run(app)


def labelled(app: AppTest, label: str) -> AppTest:
    (button,) = [own for own in app.button if own.label == label]
    button.click()
    return run(app)


def choose(app: AppTest, name: str) -> AppTest:
    app.pills(key="field group of strategies").set_value(STRATEGIES[name].group)
    return press(run(app), f"choose {name}")


def draft(app: AppTest) -> RunSpec:
    spec: RunSpec = app.session_state["draft"]
    return spec


def said(app: AppTest) -> str:
    return "\n".join(own.value for kind in (app.caption, app.info, app.error, app.markdown) for own in kind)


@pytest.mark.parametrize("name", [name for name, own in STRATEGIES.items() if own.copies not in ("nothing", "all")])
def test_every_strategy_can_be_chosen_and_drawn_and_started(name: str, no_engine: Path) -> None:
    app = choose(opened(), name)
    assert draft(app).strategy == name
    if name == "multi_task":  # the source's data is built in, as the digits are
        assert not app.button(key="choose multi_task").disabled
    assert app.get("plotly_chart") and not app.error, said(app)
    app = labelled(app, "Start training")
    (queued,) = runs.all_runs()
    assert queued.spec == admission.admit(draft(app))


def test_from_scratch_gives_the_source_back(lab: Path) -> None:
    app = choose(opened(), "scratch")
    assert (draft(app).source, draft(app).strategy) == ("none", "scratch")
    assert [own.key for own in app.button if str(own.key).startswith("choose ")] == ["choose scratch"]


def test_what_is_not_possible_is_shown_with_its_reason(lab: Path) -> None:
    app = opened()
    app.pills(key="field group of strategies").set_value("To compare with")
    app = run(app)
    assert app.button(key="choose copy_all").disabled and not app.button(key="choose first_frozen").disabled
    assert "the source's 37 classes" in said(app)
    assert draft(app).strategy == "lp_ft"


def test_the_open_group_is_remembered_until_another_strategy_is_chosen(lab: Path) -> None:
    app = opened()
    app.pills(key="field group of strategies").set_value("Held by the source")
    app = run(run(app))
    assert app.pills(key="field group of strategies").value == "Held by the source"
    app.session_state["draft"] = draft(app).revised(strategy="lora")
    assert run(app).pills(key="field group of strategies").value == "Few numbers learn"


def test_each_strategy_has_its_picture_and_a_link_to_its_paper(lab: Path) -> None:
    app = opened()
    pictures = [own for own in app.get("html") if "data:image/svg+xml" in own.proto.body]
    assert len(pictures) == 4
    assert "https://arxiv.org/abs/2202.10054" in said(app)
    app.pills(key="field group of strategies").set_value("Held by the source")
    assert "https://doi.org/10.1023/A:1007379606734" in said(run(app))


FIELDS: dict[str, dict[str, float]] = {
    "last_blocks": {"blocks": 2},
    "discriminative": {"rate_factor": 4.0},
    "layer_decay": {"layer_decay": 0.9},
    "l2_sp": {"pull": 0.1},
    "lora": {"lora_rank": 8, "lora_alpha": 16.0},
    "distil": {"teacher_weight": 0.5},
    "multi_task": {"source_weight": 0.25},
    "first_frozen": {"blocks": 2},
}  # fmt: skip


@pytest.mark.parametrize("name", FIELDS)
def test_a_strategy_s_own_fields_reach_the_draft(name: str, lab: Path) -> None:
    app = choose(opened(), name)
    for field, value in FIELDS[name].items():
        (widget,) = [own for kind in (app.number_input, app.slider) for own in kind if own.key == f"field {field}"]
        widget.set_value(value)
        app = run(app)
        assert getattr(draft(app), field) == value
    others = {field for own in FIELDS.values() for field in own} - set(FIELDS[name])
    assert not {f"field {own}" for own in others} & {own.key for own in (*app.number_input, *app.slider)}


def test_a_range_of_blocks_is_chosen_by_name(lab: Path) -> None:
    app = choose(opened(), "surgical")
    (slider,) = app.select_slider
    assert slider.value == ("conv1", "conv1")
    slider.set_value(("conv2", "conv3"))
    app = run(app)
    assert (draft(app).first_block, draft(app).blocks) == (2, 2)
    assert admission.admit(draft(app)).first_block == 2


def test_blocks_of_a_deeper_network_are_brought_down(lab: Path) -> None:
    app = opened(strategy="last_blocks", blocks=9)
    assert draft(app).blocks == 3
    app = opened(strategy="surgical", first_block=3, blocks=9)
    assert (draft(app).first_block, draft(app).blocks) == (3, 1)


def test_a_student_may_be_another_network_and_goes_when_another_strategy_comes(lab: Path) -> None:
    app = choose(opened(**dataclasses.asdict(MOBILENET.revised(dataset="digits"))), "distil")
    app.selectbox(key="field network").set_value("small_cnn")
    app = run(app)
    assert draft(app).network == "small_cnn" and not app.error
    app = choose(app, "fine_tune")
    assert draft(app).network is None and not app.error


# The ladder


def test_the_ladder_begins_from_what_was_chosen_and_a_click_freezes_or_opens(lab: Path) -> None:
    app = choose(opened(), "custom")
    plan = draft(app).plan
    assert [phase.learning for phase in plan] == [("head",), ("conv1", "conv2", "conv3", "head")]
    assert app.button(key="cell 0 0").label == "frozen" and app.button(key="cell 0 3").label == "× 1"
    app = press(app, "cell 0 2")
    assert draft(app).plan[0].learning == ("conv3", "head") and draft(app).plan[1] == plan[1]
    app = press(app, "cell 0 2")
    assert draft(app).plan == plan
    app.segmented_control(key="field ladder brush").set_value(0.1)
    app = press(run(app), "cell 0 2")
    assert draft(app).plan[0].rates() == pytest.approx({"conv3": 0.001, "head": 0.01})
    assert app.button(key="cell 0 2").label == "× 0.1"
    app = labelled(app, "Undo")
    assert draft(app).plan == plan


def test_something_learns_in_every_phase(lab: Path) -> None:
    app = press(choose(opened(), "custom"), "cell 0 3")
    assert draft(app).plan[0].learning == ("head",)


def test_phases_are_added_repeated_taken_away_and_changed(lab: Path) -> None:
    app = choose(opened(), "custom")
    app = labelled(app, "Add a phase")
    assert len(draft(app).plan) == 3 and draft(app).plan[2] == draft(app).plan[1]
    app = press(press(app, "copy 0"), "remove 2")
    assert [phase.name for phase in draft(app).plan] == ["head", "head", "everything learns"]
    app.number_input(key="field ladder 1 epochs").set_value(7)
    app = run(app)
    app.number_input(key="field ladder 1 learning_rate").set_value(0.02)
    app = run(app)
    app.text_input(key="field ladder 1 name").set_value("mine")
    app = run(app)
    assert draft(app).plan[1] == Phase("mine", 7, 0.02, ("head",))
    assert admission.admit(draft(app)).epochs == 67


def test_the_ladder_can_begin_from_another_strategy(lab: Path) -> None:
    app = press(choose(opened(), "custom"), "begin from surgical")
    assert [phase.learning for phase in draft(app).plan] == [("conv1", "head")]
    assert "begin from bias_only" not in [own.key for own in app.button]  # parts of blocks are no cells


def test_another_network_begins_the_ladder_anew_and_says_so(lab: Path) -> None:
    app = choose(opened(), "custom")
    assert "begun anew" not in said(app)
    app.session_state["draft"] = draft(app).revised(source="imagenet/mobilenet_0.25", network=None)
    app = run(app)
    assert draft(app).plan[0].learning == ("head",) and len(draft(app).plan[1].learning) == 7
    assert "begun anew" in said(app) and not app.error


def test_a_ladder_of_many_blocks_opens_in_time(lab: Path) -> None:
    app = opened(source="imagenet/mobilenet_v2", network=None)
    app = choose(app, "custom")
    for _ in range(6):
        app = labelled(app, "Add a phase")
    assert len([own for own in app.button if str(own.key).startswith("cell ")]) == 10 * 8
    (add,) = [own for own in app.button if own.label == "Add a phase"]
    assert add.disabled


# What it costs, and how large a step may be


def test_without_a_measurement_there_is_a_button_and_with_one_an_estimate(no_engine: Path) -> None:
    app = labelled(opened(), "Estimate the time on this computer")
    (job,) = runs.all_runs(runs.MEASURE)
    assert json.loads(job.question) == estimates.question(draft(app))
    runs.tell(job.id, "started", pid=1)
    runs.tell(job.id, "finished", seconds={"total": 1.0, "training": 0.0})
    estimates.keep(estimates.question(draft(app)), MEASURED)
    app = run(app)
    assert "An estimate" in said(app) and "with the control" in said(app)
    table = app.dataframe[0].value
    assert {"time", "memory"} <= set(table.columns)
    assert "An estimate" in said(choose(app, "fine_tune"))  # at once, for every strategy


def test_the_page_says_which_changed_versions_are_in_force(lab: Path) -> None:
    app = opened(strategy="linear_probe")
    app.pills(key="field augmentation").set_value(["flip"])
    app = run(app)
    assert "new ones in every epoch, so the frozen blocks run in every step" in said(app)
    app.segmented_control(key="field views").set_value(5)
    app = run(app)
    assert draft(app).views == 5 and "5 versions are kept" in said(app)
    assert "nothing stays frozen" in said(choose(app, "fine_tune"))
    estimates.keep(estimates.question(draft(app)), MEASURED)
    assert "with 5 kept" in said(choose(app, "linear_probe"))


def test_a_found_learning_rate_is_shown_and_used(no_engine: Path) -> None:
    app = labelled(opened(), "Find a learning rate")
    (job,) = runs.all_runs(runs.FIND_RATE)
    asked = RunSpec.from_json(job.question)
    assert admission.admit(asked).strategy == "lp_ft"
    runs.tell(job.id, "started", pid=1)
    runs.tell(job.id, "result", rates=[1e-4, 1e-3, 1e-2], losses=[2.0, 1.0, 3.0], suggested=0.0004, lowest=1e-3)
    runs.tell(job.id, "finished", seconds={"total": 1.0, "training": 0.0})
    app = run(app)
    assert len(app.get("plotly_chart")) == 2 and "0.0004" in said(app) and "this is rough" in said(app)
    app = labelled(app, "Use 0.0004")
    assert draft(app).learning_rate == 0.0004 and app.number_input(key="field learning_rate").value == 0.0004
    assert len(app.get("plotly_chart")) == 2  # the curve stays


def test_a_trial_that_failed_says_why(no_engine: Path) -> None:
    app = labelled(opened(), "Find a learning rate")
    (job,) = runs.all_runs(runs.FIND_RATE)
    runs.tell(job.id, "started", pid=1)
    runs.tell(job.id, "failed", reason="There was not enough memory.", details="")
    assert "There was not enough memory" in said(run(app))


def test_all_gpus_together_are_offered_only_where_there_are_several(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def devices() -> list[str]:
        return list(opened().selectbox(key="field device").options)

    monkeypatch.setattr("tlcore.devices.visible_gpus", lambda: ("0",))
    assert "all GPUs together" not in devices()
    monkeypatch.setattr("tlcore.devices.visible_gpus", lambda: ("0", "1"))
    assert "all GPUs together" in devices()


@pytest.mark.parametrize("label", ["What should I do?", "Race several"])
def test_advice_and_race_are_a_click_away(label: str, lab: Path) -> None:
    app = run(AppTest.from_file(str(Path(PAGE).parents[1] / "app.py")))
    (button,) = [own for own in app.button if own.label.startswith("Next")]
    button.click()
    app = labelled(run(app), label)
    assert not app.exception and app.title[0].value != "Choose a strategy"


def test_only_strategies_that_are_possible_here_are_offered_side_by_side(lab: Path) -> None:
    app = opened(dataset="digits", source="letters", strategy="lp_ft")
    (beside,) = [own for own in app.multiselect if own.label == "Try side by side with"]
    assert STRATEGIES["multi_task"].title in beside.options
    assert STRATEGIES["copy_all"].title not in beside.options  # the letters are 37 classes, the digits ten


def test_race_several_opens_the_form_and_no_old_race(lab: Path) -> None:
    spec = RunSpec(network="small_cnn")
    runs.create(races.between(spec, ["lp_ft"], ["letters"], [0]).as_dict(), task=runs.RACE)
    app = run(AppTest.from_file(str(Path(PAGE).parents[1] / "app.py")))
    (button,) = [own for own in app.button if own.label.startswith("Next")]
    button.click()
    app = labelled(run(app), "Race several")
    assert any(own.label.startswith("Start") for own in app.button) and "race" not in app.query_params
