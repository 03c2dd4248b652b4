"""The page of races by AppTest: set up, waiting, finished, stopped, lost; and what strangers put into its address."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from tests.test_pages import click, texts
from tlcore import RunSpec, races, runs
from tlcore.races import Race
from tlcore.recipes import RECIPES

ROOT = Path(__file__).resolve().parents[1]
SPEC = RECIPES["letters-to-digits"].specs[0]


def at(address: str = "", **draft: Any) -> AppTest:
    app = AppTest.from_file(str(ROOT / "pages/race.py"))
    if address:
        app.query_params["race"] = address
    if draft:
        app.session_state["draft"] = SPEC.revised(**draft)
    app.run()
    assert not app.exception, app.exception[0].message
    return app


def labels(app: AppTest) -> list[str]:
    return [own.label for own in app.button]


def told(race: Race, *, of: dict[int, float], gains: dict[int, float], end: str = "finished") -> str:
    """A race in the list as an engine tells it: with these accuracies, and gains that differ a little by seed."""
    name = runs.create(race.as_dict(), task=runs.RACE, label=races.title(race))
    runs.tell(name, "started", pid=1)
    runs.tell(name, "stage", stage="racing", doing="Linear probe, seed 0")
    for number, seed in enumerate(race.seeds):
        for place in range(len(race.competitors)):
            who = {"competitor": place, "seed": seed, "run": f"2020010100000{place}{seed:08d}"}
            runs.tell(name, "member", **who, taken=False, status="running")
            accuracy, gain = of[place] + 0.001 * number, gains[place] + 0.002 * number
            runs.tell(name, "member", **who, status="finished", accuracy=accuracy, control=accuracy - gain, gain=gain,
                      validation=accuracy, seconds=1.5, curve=[[1, 0.2], [2, accuracy]])  # fmt: skip
    runs.tell(name, "progress", done=race.total, of=race.total)
    if end:
        runs.tell(name, "result", kind=race.kind, rows=[])
        runs.tell(name, end, **({"seconds": {"total": 9.0, "training": 0.0}} if end == "finished" else {}))
    return name


def test_the_form_invites_and_says_what_it_takes(lab: Path) -> None:
    app = at()
    said = texts(app)
    assert "**Handwritten digits**, 5" in said and "difference can be told from chance" in said
    assert app.metric[0].value == "24" and "4 strategies × 1 source × 6 seeds" in said
    assert [own.label for own in app.button if own.proto.type == "primary"] == ["Start 24 runs"]


def test_halving_and_seeds_change_the_number_of_runs(lab: Path) -> None:
    app = at()
    app.toggle(key="field race halving").set_value(True)
    app.run()
    assert app.metric[0].value == "10" and "24 if nobody left early" in texts(app)
    app.segmented_control(key="field race seeds").set_value(3)
    app.run()
    assert app.metric[0].value == "7" and "could still be chance" in texts(app)


def test_start_asks_for_exactly_what_the_form_says(taken_slot: Path) -> None:
    app = click(at(), "Start 24 runs")
    (race,) = runs.all_runs(runs.RACE)
    assert race.status == runs.WAITING and app.query_params["race"] in (race.id, [race.id])
    asked = Race.from_json(race.question)
    assert [own["strategy"] for own in asked.competitors] == [*races.USUAL] and asked.seeds == (0, 1, 2, 3, 4, 5)
    assert "Waiting for its turn" in app.get("progress")[0].proto.text and "Stop" in labels(app)
    app = click(app, "Stop")
    assert runs.get(race.id).status == "stopped" and "Stopped" in texts(app)
    app = click(app, "Another race")
    assert "Start 24 runs" in labels(app)


def test_a_sweep_has_every_depth(taken_slot: Path) -> None:
    app = at()
    app.segmented_control(key="field race kind").set_value(races.SWEEP)
    app.run()
    assert app.metric[0].value == "36" and "chain of blocks" in texts(app)
    click(app, "Start 36 runs")
    asked = Race.from_json(runs.all_runs(runs.RACE)[0].question)
    assert asked.kind == races.SWEEP and [own["blocks"] for own in asked.competitors] == [1, 2, 3, 1, 2, 3]


def test_what_cannot_be_is_said_once_before_start(lab: Path) -> None:
    app = at(samples_per_class=100_000)
    assert len(app.error) == 1 and "104 or fewer" in app.error[0].value
    (start,) = [own for own in app.button if own.proto.type == "primary"]
    assert start.disabled


def test_a_draft_that_borrows_nothing_still_races_with_what_can_be_borrowed(taken_slot: Path) -> None:
    app = at(dataset="wine", source="none", strategy="scratch", network=None)
    click(app, "Start 24 runs")
    asked = Race.from_json(runs.all_runs(runs.RACE)[0].question)
    assert {own["source"] for own in asked.competitors} == {"vectors_a"}


def test_a_finished_race_says_who_won_and_what_that_is_worth(lab: Path) -> None:
    race = races.between(SPEC, ["lp_ft", "linear_probe"], ["letters"], range(6))
    name = told(race, of={0: 0.9, 1: 0.8}, gains={0: 0.08, 1: -0.02})
    app = at(name)
    said = texts(app)
    assert "Over 6 seeds, “Head first, then everything” gained" in said.replace("\\", "")
    assert "It did better than “Linear probe”" in said.replace("\\", "")
    assert "looks better than it is" in said
    board = app.dataframe[0].value
    assert [*board["competitor"]] == ["Head first, then everything", "Linear probe"] and [*board["seeds"]] == [6, 6]
    assert {"Numbers (CSV)", "Race (JSON)"} == {own.label for own in app.get("download_button")}
    assert "Run again with 10 seeds" in labels(app) and len(app.get("plotly_chart")) == 2


def test_few_seeds_claim_nothing(lab: Path) -> None:
    race = races.between(SPEC, ["lp_ft", "linear_probe"], ["letters"], range(3))
    app = at(told(race, of={0: 0.9, 1: 0.8}, gains={0: 0.08, 1: 0.02}))
    assert "Below six seeds no difference can be called significant" in texts(app)
    assert "significant difference" not in texts(app)
    assert [own.label for own in app.button if own.proto.type == "primary"] == ["Run again with 6 seeds"]


def test_a_race_that_was_lost_or_stopped_can_go_on(taken_slot: Path) -> None:
    race = races.between(SPEC, ["lp_ft", "linear_probe"], ["letters"], range(2))
    name = told(race, of={0: 0.9, 1: 0.8}, gains={0: 0.08, 1: 0.02}, end="")
    app = at(name)
    assert "The race was lost" in texts(app)
    app = click(app, "Go on with it")
    newest = runs.all_runs(runs.RACE)[0]
    assert newest.id != name and Race.from_json(newest.question) == race and newest.status == runs.WAITING


def test_a_finished_sweep_draws_its_own_figure(lab: Path) -> None:
    race = races.sweep(SPEC, range(2))
    of = {0: 0.80, 1: 0.85, 2: 0.70, 3: 0.8, 4: 0.86, 5: 0.88}
    app = at(told(race, of=of, gains=dict.fromkeys(of, 0.1)))
    said = texts(app).replace("\\", "")
    assert "Kept frozen, the first 2 of 3 blocks did best: 85" in said and "Learning on, all 3 blocks did best" in said
    assert len(app.get("plotly_chart")) == 1


def test_a_race_is_found_by_either_address_and_can_be_deleted(lab: Path) -> None:
    race = races.between(SPEC, ["linear_probe"], ["letters"], range(2))
    first = told(race, of={0: 0.9}, gains={0: 0.1})
    second = told(race, of={0: 0.9}, gains={0: 0.1})
    runs.rename(first, "the first")
    app = AppTest.from_file(str(ROOT / "pages/race.py"))
    app.query_params["run"] = first
    app.run()
    assert not app.exception and "#### the first" in texts(app)
    assert "#### the first" not in texts(at()) and at(second).query_params["race"] in (second, [second])
    app = click(app, "Delete")
    assert "Its runs stay, with their models" in texts(app)
    runs.delete(first)  # as the dialog does, in which AppTest cannot press
    assert "There is no race" in texts(app.run())


@pytest.mark.parametrize("hostile", ["../../etc/passwd", "<script>alert(1)</script>", "x" * 5000, "%00"])
def test_a_hostile_address_shows_no_race(hostile: str, lab: Path) -> None:
    app = at(hostile)
    assert "There is no race" in texts(app) and "Start 24 runs" in labels(app)


def test_a_run_is_no_race_and_a_race_no_run(source_run: str) -> None:
    assert "There is no race" in texts(at(source_run))
    race = runs.create(races.between(SPEC, ["linear_probe"], ["letters"], [0]).as_dict(), task=runs.RACE)
    app = AppTest.from_file(str(ROOT / "pages/results.py"))
    app.query_params["run"] = race
    app.run()
    assert not app.exception and "There is no run" in texts(app)


def test_a_race_of_another_version_is_refused_in_words(lab: Path) -> None:
    app = at(runs.create({"colours": 3}, task=runs.RACE))
    assert "a race in JSON" in texts(app)


def test_races_are_reached_from_the_list_of_runs(source_run: str) -> None:
    race = races.between(RunSpec(), ["linear_probe"], ["letters"], range(2))
    told(race, of={0: 0.9}, gains={0: 0.1})
    app = AppTest.from_file(str(ROOT / "pages/runs.py")).run()
    assert not app.exception
    assert any("1 competitor · 2 seeds" in own.label for own in app.button)


def test_another_dataset_finds_a_source_that_fits_it(taken_slot: Path) -> None:
    app = at(dataset="digits", source="letters")
    app.session_state["draft"] = SPEC.revised(dataset="wine", source="none", strategy="scratch", network=None)
    app.run()
    (sources,) = [own for own in app.multiselect if own.label == "Borrow from"]
    assert not app.exception and sources.value == ["vectors_a"]


def test_the_sweep_remembers_its_source(lab: Path) -> None:
    app = at(dataset="digits")
    for kind in (races.SWEEP, races.RACE, races.SWEEP):
        app.segmented_control(key="field race kind").set_value(kind)
        app.run()
        if kind == races.SWEEP and app.selectbox[0].value == "letters":
            app.selectbox[0].set_value("mnist")
            app.run()
    assert app.selectbox[0].value == "mnist"
