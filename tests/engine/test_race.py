"""Races carried out: in which order, from what, and how they end."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import until

from tlcore import RunSpec, admission, races, runs, standings, worker
from tlcore.engine import journey
from tlcore.events import Story
from tlcore.races import Race


@pytest.fixture
def spec(source_run: str) -> RunSpec:
    """A question whose runs are over in a second or two."""
    return RunSpec(dataset="printed_digits", source=f"run:{source_run}", samples_per_class=5, epochs=4)


def carried_out(race: Race) -> tuple[runs.Run, Story]:
    name = races.order(race)
    taken, lock = runs.claim()
    assert taken.id == name
    with lock:
        journey.carry_out(taken)
    return runs.get(name), worker.follow(name)


def between(spec: RunSpec, strategies: list[str], seeds: int, **more: bool) -> Race:
    return races.between(spec, strategies, [spec.source], range(seeds), **more)


def test_a_race_is_made_of_whole_runs_seed_by_seed(spec: RunSpec):
    race = between(spec, ["linear_probe", "lp_ft"], 2)
    run, story = carried_out(race)
    assert run.status == "finished", story.failure
    assert [*story.members] == [(0, 0), (1, 0), (0, 1), (1, 1)]
    assert story.progress == {"done": 4, "of": 4} and story.share_done == 1.0
    for (place, seed), own in story.members.items():
        member = runs.get(own["run"])
        assert member.task == runs.TRAIN and member.status == "finished"
        assert member.spec == admission.admit(race.question(place, seed)) and member.spec.control
        assert own["accuracy"] == member.result["test"]["accuracy"] and own["gain"] == member.result["gain"]["gain"]
        assert own["validation"] == own["curve"][-1][1] and own["curve"][-1][0] == 4
        assert (member.folder / "model.keras").is_file() and not runs.is_held(member.id)
    assert [runs.get(own["run"]).label for own in story.members.values()][:2] == [
        "Race: Linear probe, seed 0", "Race: Head first, then everything, seed 0",
    ]  # fmt: skip
    assert {row["competitor"] for row in run.result["rows"]} == {0, 1}
    assert all(row["gain"]["seeds"] == 2 for row in run.result["rows"])


def test_a_run_of_a_race_is_the_run_that_would_be_asked_alone(spec: RunSpec):
    race = between(spec, ["lp_ft"], 1)
    _, story = carried_out(race)
    member = story.members[0, 0]["run"]
    alone = runs.create(admission.admit(race.question(0, 0)))
    taken, lock = runs.claim()
    with lock:
        journey.carry_out(taken)
    assert runs.get(alone).result["test"] == runs.get(member).result["test"]


def test_more_seeds_take_what_has_finished(spec: RunSpec):
    race = between(spec, ["linear_probe"], 1)
    _, first = carried_out(race)
    known = first.members[0, 0]["run"]
    more = Race(race.spec, race.competitors, (0, 1))
    run, story = carried_out(more)
    assert run.status == "finished"
    assert (story.members[0, 0]["run"], story.members[0, 0]["taken"]) == (known, True)
    assert not story.members[0, 1]["taken"]
    same = {key: story.members[0, 0][key] for key in ("accuracy", "gain", "validation", "curve")}
    assert same == {key: first.members[0, 0][key] for key in same}
    assert len([own for own in runs.all_runs() if own.label.startswith("Race")]) == 2


def test_the_worse_half_leaves_by_validation(spec: RunSpec):
    race = between(spec, ["linear_probe", "lp_ft", "fine_tune"], 3, halving=True)
    run, story = carried_out(race)
    assert run.status == "finished", story.failure
    assert len(story.members) == race.total == 3 + 2 + 1
    by_first = sorted(range(3), key=lambda place: -story.members[place, 0]["validation"])
    assert story.left[by_first[-1]] == 1 and sorted(story.left.values()) == [1, 2]
    (winner,) = {0, 1, 2} - story.left.keys()
    assert standings.leaderboard(race, story)[0]["competitor"] == winner
    assert len(standings.leaderboard(race, story)[0]["members"]) == 3


def test_a_stop_reaches_the_run_at_work_and_then_the_race(spec: RunSpec):
    race = between(spec.revised(epochs=4000), ["fine_tune", "linear_probe"], 2)
    name = races.order(race)

    def watch() -> None:
        until(lambda: (own := standings.under_way(worker.follow(name))) and worker.follow(own).epochs)
        runs.ask_to_stop(name)

    thread = threading.Thread(target=watch)
    thread.start()
    taken, lock = runs.claim()
    with lock:
        journey.carry_out(taken)
    thread.join()
    story = worker.follow(name)
    assert runs.get(name).status == "stopped" and len(story.members) == 1
    assert story.members[0, 0]["status"] == "stopped" == runs.get(story.members[0, 0]["run"]).status
    assert not standings.leaderboard(race, story)[0]["members"]


def test_a_run_that_fails_is_told_and_the_race_goes_on(spec: RunSpec, source_run: str):
    (runs.folder(source_run) / "weights.npz").unlink()
    race = between(spec.revised(network="small_cnn"), ["linear_probe", "scratch"], 2)
    run, story = carried_out(race)
    assert run.status == "finished", story.failure
    first, last = standings.leaderboard(race, story)
    assert (first["name"], len(first["members"]), first["gain"]) == ("From scratch", 2, None)
    assert (last["name"], last["failed"], last["members"]) == ("Linear probe", 2, [])
    assert "weights.npz" in story.members[0, 0]["reason"]


def test_a_race_without_any_result_says_why(spec: RunSpec, source_run: str):
    (runs.folder(source_run) / "weights.npz").unlink()
    run, story = carried_out(between(spec, ["linear_probe"], 1))
    assert run.status == "failed"
    assert "No run of the race came to a result" in story.failure["reason"]
    assert "weights.npz" in story.failure["reason"]


def test_a_killed_race_goes_on_where_it_was(spec: RunSpec, wait_for: Callable[..., runs.Run]):
    race = between(spec, ["linear_probe", "fine_tune"], 2)
    name = races.order(race)
    until(lambda: any(own.get("accuracy") for own in worker.follow(name).members.values()), 90)
    pid = next(event.data["pid"] for event in runs.events(name) if event.kind == "started")
    done = [key for key, own in worker.follow(name).members.items() if own.get("accuracy")]
    for engine in {os.getpgid(pid)}:
        os.killpg(engine, signal.SIGKILL)
    until(lambda: runs.get(name).over, 20)
    assert runs.get(name).status == runs.LOST
    again = races.order(race)
    assert again != name
    assert wait_for(again, "finished", "failed", seconds=90).status == "finished"
    story = worker.follow(again)
    assert len(story.members) == 4 and all(story.members[key]["taken"] for key in done)
    assert not story.members[1, 1]["taken"]


def test_a_sweep_copies_exactly_so_many_blocks(spec: RunSpec):
    race = races.sweep(spec, [0])
    run, story = carried_out(race)
    assert run.status == "finished", story.failure
    copied = []
    for place in range(len(race.competitors)):
        receipt = worker.follow(story.members[place, 0]["run"]).receipt
        copied.append(
            len({row["block"] for row in receipt["rows"] if row["fate"] == "copied" and row["block"] != "head"})
        )
    assert copied == [1, 2, 3, 1, 2, 3]
    found = standings.by_depth(standings.leaderboard(race, story), race)
    assert [point["blocks"] for point in found["frozen"]] == [1, 2, 3] == [p["blocks"] for p in found["tuned"]]
    assert found["scratch"] == story.members[0, 0]["control"]


def test_what_cannot_be_is_refused_before_anything_runs(spec: RunSpec, lab: Path):
    name = runs.create(between(spec.revised(samples_per_class=900_000), ["lp_ft"], 1).as_dict(), task=runs.RACE)
    taken, lock = runs.claim()
    with lock:
        journey.carry_out(taken)
    assert runs.get(name).status == "failed" and not worker.follow(name).members
    assert "samples_per_class" in worker.follow(name).failure["reason"]
