"""Races: what they ask, how many runs that is, who leads, and what is said of it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from tlcore import charts, races, runs, standings, words
from tlcore.__main__ import main
from tlcore.events import Event, Story
from tlcore.races import Race
from tlcore.recipes import RECIPES
from tlcore.spec import Refused

SPEC = RECIPES["letters-to-digits"].specs[0]


def two(seeds: int, **more: Any) -> Race:
    return races.between(SPEC, ["linear_probe", "fine_tune"], ["letters"], range(seeds), **more)


def story(race: Race, accuracy: dict[tuple[int, int], float], **more: Any) -> Story:
    """A story in which these runs have finished; the control of seed s got 0.5 + 0.01 s."""
    members = {
        (place, seed): {
            "competitor": place, "seed": seed, "run": f"r{place}{seed}", "taken": False, "status": "finished",
            "seconds": 2.0, "accuracy": value, "control": 0.5 + 0.01 * seed, "gain": value - 0.5 - 0.01 * seed,
            "validation": value, "curve": [[1, 0.1], [2, value]],
        }
        for (place, seed), value in accuracy.items()
    }  # fmt: skip
    return Story(members=members, **more)


def test_a_race_travels_through_json_unchanged():
    race = two(3, halving=True)
    again = Race.from_json(race.to_json())
    assert again == race and again.questions == race.questions
    assert json.loads(race.to_json())["competitors"][0] == {"strategy": "linear_probe", "source": "letters"}


@pytest.mark.parametrize(
    "text",
    [
        b"", b"[]", b"null", b'{"spec": {}}', b"\xff", b'{"spec": 1, "competitors": [{}], "seeds": [0]}',
        *(
            b'{"spec": {}, ' + rest + b"}"
            for rest in (
                b'"competitors": [3], "seeds": [0]', b'"competitors": [{}], "seeds": [0], "more": 1',
                b'"competitors": [{}], "seeds": [true]', b'"competitors": [{}], "seeds": []',
                b'"competitors": [{}], "seeds": [1, 1]', b'"competitors": [], "seeds": [1]',
                b'"competitors": [{}, {}], "seeds": [1]', b'"competitors": [{}], "seeds": "12"',
                b'"competitors": [{}], "seeds": [1], "kind": "run"',
                b'"competitors": [{"strategy": "lp_ft"}], "seeds": [1], "kind": "sweep"',
            )
        ),
    ],
)  # fmt: skip
def test_what_is_no_race_is_refused(text: bytes):
    with pytest.raises(Refused):
        Race.from_json(text)


def test_questions_come_seed_by_seed_each_with_its_control():
    asked = two(2).questions
    assert [(own.seed, own.strategy) for own in asked] == [
        (0, "linear_probe"), (0, "fine_tune"), (1, "linear_probe"), (1, "fine_tune"),
    ]  # fmt: skip
    assert all(own.control for own in asked)


def test_problems_are_all_told_each_once():
    race = races.between(SPEC.revised(samples_per_class=100_000, epochs=2), ["lp_ft", "gradual"], ["letters"], range(6))
    assert [problem.field for problem in race.problems()] == ["samples_per_class", "epochs"]
    with pytest.raises(Refused) as refused:
        races.order(race)
    assert len(refused.value.problems) == 2
    assert [own.field for own in Race(SPEC, ({"strategy": "nope"},), (0,)).problems()] == ["strategy"]
    assert [own.field for own in Race(SPEC, ({"colour": "red"},), (0,)).problems()] == ["spec"]


def test_two_competitors_that_ask_the_same_are_refused():
    race = Race(SPEC, ({"strategy": "lp_ft"}, {"strategy": "lp_ft", "blocks": 2}), (0,))  # lp_ft reads no blocks
    (problem,) = race.problems()
    assert problem.field == "competitors" and "no other competitor" in problem.expected


@pytest.mark.parametrize("own", [{"dataset": "wine"}, {"samples_per_class": 1}, {"test_share": 0.5}, {"seed": 9}])
def test_what_could_not_be_compared_is_refused(own: dict[str, Any]):
    text = json.dumps({**two(1).as_dict(), "competitors": [own, {"strategy": "lp_ft"}]})
    with pytest.raises(Refused, match=f"a {next(iter(own))} of its own.*give it in the race's spec"):
        Race.from_json(text)


@pytest.mark.parametrize("field", ["strategy", "source"])
def test_a_competitor_is_named_by_text(field: str):
    text = json.dumps({**two(1).as_dict(), "competitors": [{field: ["lp_ft"]}]})
    with pytest.raises(Refused, match="the name of a strategy or a source"):
        Race.from_json(text)


def test_every_strategy_meets_every_source_and_scratch_runs_once():
    race = races.between(SPEC, ["lp_ft", "scratch"], ["letters", "mnist"], [0])
    assert [(own["strategy"], own["source"]) for own in race.competitors] == [
        ("lp_ft", "letters"), ("lp_ft", "mnist"), ("scratch", "none"),
    ]  # fmt: skip
    assert race.competitors[1]["network"] is None  # the other source brings its own
    assert races.names(race) == [
        "Head first, then everything, from “Printed letters”", "Head first, then everything, from “MNIST, dense”",
        "From scratch",
    ]  # fmt: skip


def test_competitors_that_differ_by_a_setting_alone_are_told_apart_by_it():
    race = Race(SPEC, ({"strategy": "lp_ft"}, {"strategy": "lp_ft", "learning_rate": 0.1}), (0,))
    assert races.names(race) == ["Head first, then everything", "Head first, then everything (learning_rate 0.1)"]


@pytest.mark.parametrize(
    ("competitors", "seeds", "field"),
    [
        (4, 6, [4, 2, 1, 1, 1, 1]),
        (5, 4, [5, 3, 2, 2]),
        (6, 8, [6, 3, 2, 2, 1, 1, 1, 1]),
        (2, 1, [2]),
        (1, 3, [1, 1, 1]),
    ],
)
def test_halving_spends_seeds(competitors: int, seeds: int, field: list[int]):
    changes = tuple({"strategy": "lp_ft", "learning_rate": 0.01 * (n + 1)} for n in range(competitors))
    assert Race(SPEC, changes, tuple(range(seeds)), halving=True).field == field
    assert Race(SPEC, changes, tuple(range(seeds))).total == competitors * seeds


def test_the_worse_half_by_validation_leaves_whatever_the_test_says():
    race = two(2, halving=True)
    told = story(race, {(0, 0): 0.9, (1, 0): 0.6})
    told.members[0, 0]["validation"], told.members[1, 0]["validation"] = 0.5, 0.7
    assert standings.better_half(race, told.members, [0, 1], 1) == [1]
    assert standings.better_half(two(2), told.members, [0, 1], 1) == [0, 1]  # without halving nobody leaves
    assert standings.better_half(race, {}, [0, 1], 1) == [0]  # nobody has a result


def test_a_sweep_asks_for_every_depth_frozen_and_tuned():
    race = races.sweep(SPEC, [0])
    assert [(own["strategy"], own["blocks"]) for own in race.competitors] == [
        (strategy, n) for strategy in ("first_frozen", "first_tuned") for n in (1, 2, 3)
    ]  # fmt: skip
    assert race.problems() == [] and races.names(race)[1] == "First 2 blocks copied, frozen"


def test_more_seeds_keep_the_old_ones():
    assert two(3).with_more_seeds().seeds == tuple(range(6))
    assert len(two(6).with_more_seeds().seeds) == 10 and len(two(10).with_more_seeds().seeds) == 16


def test_the_leaderboard_gives_means_and_intervals_by_hand():
    race = two(2)
    first, last = standings.leaderboard(race, story(race, {(0, 0): 0.6, (1, 0): 0.7, (0, 1): 0.63, (1, 1): 0.75}))
    assert (first["name"], last["name"]) == ("Fine-tuning", "Linear probe")
    assert first["accuracy"] == pytest.approx(0.725) and first["gain"]["mean"] == pytest.approx(0.22)
    assert first["gain"]["seeds"] == 2 and first["gain"]["significant"] is None and first["seconds"] == 2.0
    low, high = last["gain"]["interval"]  # 0.10 and 0.12: 0.11 ± 12.706 × 0.01
    assert (low, high) == (pytest.approx(0.11 - 0.12706, abs=1e-5), pytest.approx(0.11 + 0.12706, abs=1e-5))


def test_nobody_leads_for_having_had_an_easier_seed():
    race = two(2)
    ahead = story(race, {(0, 0): 0.60, (1, 0): 0.62, (0, 1): 0.90})  # who is second has not had the easy seed yet
    assert [row["name"] for row in standings.leaderboard(race, ahead)] == ["Fine-tuning", "Linear probe"]


def test_who_left_comes_after_who_stayed():
    race = two(2, halving=True)
    told = story(race, {(0, 0): 0.6, (1, 0): 0.9, (0, 1): 0.5}, left={1: 1})
    rows = standings.leaderboard(race, told)
    assert [(row["name"], row["left"]) for row in rows] == [("Linear probe", None), ("Fine-tuning", 1)]
    assert standings.duel(rows[0], rows[1])["seeds"] == 1  # over the seed that both had


def test_a_run_that_failed_counts_as_none():
    race = two(1)
    told = story(race, {(0, 0): 0.6})
    told.members[1, 0] = {"competitor": 1, "seed": 0, "run": "x", "taken": False, "status": "failed", "reason": "no"}
    row = standings.leaderboard(race, told)[1]
    assert (row["failed"], row["accuracy"], row["gain"], row["members"]) == (1, None, None, [])


def said(gains: dict[int, list[float]]) -> str:
    n = len(gains[0])
    race = races.between(SPEC, ["linear_probe", "fine_tune", "lp_ft"][: len(gains)], ["letters"], range(n))
    told = story(race, {(p, s): 0.5 + 0.01 * s + g for p, own in gains.items() for s, g in enumerate(own)})
    rows = standings.leaderboard(race, told)
    return words.race_sentence(rows, [standings.duel(rows[0], row) for row in rows[1:]])


def test_words_claim_what_six_seeds_show_and_no_more():
    clear = said({0: [0.10, 0.11, 0.12, 0.10, 0.11, 0.12], 1: [0.01, 0.02, 0.01, 0.02, 0.01, 0.02]})
    assert clear.startswith("Over 6 seeds, “Linear probe” gained 11 points over training from scratch (95 % interval ")
    assert "a significant difference. It did better than “Fine-tuning”." in clear
    alike = said({0: [0.10, 0.11, 0.12, 0.10, 0.11, 0.12], 1: [0.11, 0.10, 0.11, 0.10, 0.11, 0.12]})
    assert "“Fine-tuning” cannot be told apart from it." in alike
    few = said({0: [0.10, 0.11, 0.12], 1: [0.01, 0.02, 0.01]})
    assert "Below six seeds" in few and "better than" not in few and "told apart" not in few
    assert "lost 10 points against" in said({0: [-0.1] * 6, 1: [-0.2] * 6})
    assert "comparisons" not in clear
    several = said({0: [0.10, 0.11, 0.12, 0.10, 0.11, 0.12], 1: [0.01] * 6, 2: [0.02] * 6})
    assert "These are 2 comparisons: one in twenty looks clear by chance alone." in several


def test_words_about_depth():
    race = races.sweep(SPEC, range(2))
    means = {0: 0.80, 1: 0.85, 2: 0.60, 3: 0.8, 4: 0.86, 5: 0.88}
    told = story(race, {(p, s): value + 0.01 * s + 0.001 * (p % 2) * s for p, value in means.items() for s in range(2)})
    found = standings.by_depth(standings.leaderboard(race, told), race)
    assert [point["blocks"] for point in found["frozen"]] == [1, 2, 3]
    assert found["scratch"] == pytest.approx(0.505)
    one = found["frozen"][1]  # its gains are 0.35 and 0.351, however much the seeds differ
    assert one["high"] - one["low"] == pytest.approx(2 * 12.7062 * 0.0005, rel=1e-4)
    sentence = words.depth_sentence(found)
    assert "the first 2 of 3 blocks did best: 85.5%, against 50.5% from scratch" in sentence
    assert "Deeper ones know too much of the old task: with all 3 it is 60.5%" in sentence
    assert "Learning on, all 3 blocks did best: 88.5%" in sentence and "2 seeds: read the shape" in sentence
    assert "clear difference from scratch" not in sentence
    alone = story(race, {(p, 0): value for p, value in means.items()})
    once = words.depth_sentence(standings.by_depth(standings.leaderboard(race, alone), race))
    assert "Copying all 3 makes no clear difference" in once and "1 seed: read the shape" in once
    noisy = story(race, {(p, s): 0.5 + (0.3 if s else 0.02) for p in range(6) for s in range(2)})
    unclear = words.depth_sentence(standings.by_depth(standings.leaderboard(race, noisy), race))
    assert "None of this is a clear difference from scratch." in unclear


def test_a_story_grows_by_members_and_tells_the_time_left():
    told = Story()
    told.add([Event(1, 0.0, "started", {"pid": 1}), Event(2, 0.0, "stage", {"stage": "racing", "doing": "x"})])
    told.add([Event(3, 0.0, "member", {"competitor": 0, "seed": 0, "run": "a", "taken": False, "status": "running"})])
    assert standings.under_way(told) == "a" and told.seconds_left() is None
    told.add([Event(4, 5.0, "member", {"competitor": 0, "seed": 0, "run": "a", "status": "finished", "seconds": 5.0})])
    told.add([Event(5, 5.0, "progress", {"done": 1, "of": 4}), Event(6, 5.0, "left", {"competitor": 1, "seeds": 1})])
    assert told.members[0, 0]["status"] == "finished" and told.left == {1: 1}
    assert (
        told.seconds_left() == 15.0 and standings.progress(told) == (0.25, 15.0) and standings.under_way(told) is None
    )
    half = Story(arms={"transfer": [{"epochs": 2}]}, epochs=[{"arm": "transfer", "phase": 0, "seconds": 1.0}],
                 phases=[{"arm": "transfer", "index": 0, "epochs": 2}])  # fmt: skip
    assert standings.progress(told, half) == (0.375, pytest.approx(12.5))


def test_numbers_are_one_row_a_run():
    race = two(2)
    rows = standings.leaderboard(race, story(race, {(0, 0): 0.6, (1, 0): 0.7, (0, 1): 0.6}))
    read = list(csv.DictReader(io.StringIO(standings.numbers(rows))))
    assert len(read) == 3 and read[0]["competitor"] == "Fine-tuning" and float(read[0]["accuracy"]) == 0.7


def test_the_figures_mean_what_their_colours_say():
    race = two(2)
    rows = standings.leaderboard(race, story(race, {(0, 0): 0.6, (1, 0): 0.7, (0, 1): 0.61, (1, 1): 0.72}))
    means = [trace for trace in charts.gains(rows).data if trace.marker.symbol == "diamond-open"]
    dots = [trace for trace in charts.gains(rows).data if trace.marker.symbol is None]
    assert [trace.x[0] for trace in means] == [pytest.approx(20.5), pytest.approx(10)]
    assert [len(trace.x) for trace in dots] == [2, 2] and means[0].marker.color != means[1].marker.color
    curves = charts.race_curves(rows, 2).data
    assert [trace.name for trace in curves] == ["Linear probe", "Fine-tuning"] and curves[0].y[-1] == pytest.approx(
        0.605
    )
    sweep = races.sweep(SPEC, [0])
    found = standings.by_depth(standings.leaderboard(sweep, story(sweep, {(p, 0): 0.8 for p in range(6)})), sweep)
    lines = {trace.name: trace.line for trace in charts.depth(found, 3).data if trace.name}
    assert lines["copied and kept frozen"].color == charts.FROZEN
    scratch = lines["from scratch: nothing copied"]
    assert (scratch.color, scratch.dash) == (charts.CONTROL, "dash")


def test_ordering_twice_asks_once(lab: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tlcore.worker.wake", lambda: None)  # it is to stay in the queue
    first, second = races.order(two(2)), races.order(two(2))
    assert first == second and runs.get(first).label == "Handwritten digits, 5 a class · 2 competitors · 2 seeds"
    assert runs.get(first).task == runs.RACE and [own.id for own in runs.waiting()] == [first]


def test_the_command_waits_and_prints_the_leaderboard(
    source_run: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    line = f"race --dataset printed_digits --source run:{source_run} --samples-per-class 5 --epochs 2 --seeds 2"
    assert main([*line.split(), "--strategies", "linear_probe,fine_tune", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["status"] == "finished" and [len(row["members"]) for row in told["rows"]] == [2, 2]
    path = tmp_path / "race.json"
    path.write_text(json.dumps(told["question"]))
    assert main(["race", "--race", str(path)]) == 0  # all its runs are taken as they are
    printed = capsys.readouterr().out
    assert "1      " in printed and "Below six seeds" in printed and "race?race=" in printed
    assert len(runs.all_runs()) == 4 + 1
    race = runs.all_runs(runs.RACE)[0].id
    assert main(["races"]) == 0 and race in capsys.readouterr().out
    assert main(["show", race]) == 0 and "Below six seeds" in capsys.readouterr().out
    assert main(["delete", race]) == 0 and "its runs stay" in capsys.readouterr().out
    assert len(runs.all_runs()) == 4 + 1


@pytest.mark.parametrize(
    ("argv", "received"),
    [
        ("race --seeds 0", "'0'"), ("race --seeds six", "'six'"), ("race --strategies lpft", "did you mean 'lp_ft'?"),
        ("race --sweep --halving", "sweep"), ("race --race missing.json", "'missing.json'"),
        ("race --sources leters", "did you mean 'letters'?"), ("race --strategies lp_ft,lp_ft", "each competitor once"),
        ("race --seed 3 --epochs 1", "choose more epochs"), ("race --seed x", "received 'x'"),
        ("race --sweep --image-size x", "received 'x'"), ("race --strategy lora", "--strategies"),
        ("race --no-control", "no_control"), ("race --strategies ,", "received ','"),
        ("race --race race.json --seeds 3", "seeds: received '3'"),
    ],
)  # fmt: skip
def test_the_command_refuses_in_one_line(argv: str, received: str, lab: Path, capsys: pytest.CaptureFixture[str]):
    assert main(argv.split()) == 2
    complaint = capsys.readouterr().err
    assert received in complaint and complaint.count("\n") == 1
    assert not runs.all_runs(runs.RACE)
