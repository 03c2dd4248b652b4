"""The command ``race``: strategies, sources and seeds side by side, from a terminal."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from . import asking, console, live, races, runs, standings, words, worker
from .races import Race
from .runs import Run
from .spec import Problem, Refused

COLUMNS = ("place", "competitor", "seeds", "validation", "test", "gain", "95 % interval", "")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Those of a run, and who races."""
    asking.add_options(parser)
    usual = ",".join(races.USUAL)
    parser.add_argument(
        "--race", metavar="FILE", help="a race in JSON, exported from one, instead of all other options"
    )
    parser.add_argument("--strategies", metavar="A,B", help=f"who races, with commas (default {usual})")
    parser.add_argument("--sources", metavar="A,B", help="whom they borrow from, with commas (default: the run's)")
    parser.add_argument("--seeds", metavar="N", default=str(races.ENOUGH),
                        help=f"over how many seeds, from the run's on (default {races.ENOUGH})")  # fmt: skip
    parser.add_argument("--halving", action="store_true", help="after 1, 2, 4, ... seeds the worse half leaves")
    parser.add_argument("--sweep", action="store_true", help="instead of strategies: the first n blocks copied, for "
                        "every n, frozen and tuned")  # fmt: skip


def race(arguments: argparse.Namespace) -> int:
    """Ask for a race, wait for it, and print its leaderboard."""
    asked = _asked(arguments)
    label = arguments.label.encode(errors="replace").decode().strip()[:200]
    name = races.order(asked, label)
    if not arguments.json:
        print(f"race {name}: {words.count(asked.total)} runs", flush=True)
    interrupted = live.watch([name], arguments.json)
    ended = runs.get(name)
    tell(ended, arguments.json)
    if why := console.reason(ended.status, worker.follow(name)):
        console.complain(f"race {name} {ended.status}: {why}")
    return 130 if interrupted else int(ended.status != "finished")


def tell(run: Run, as_json: bool) -> None:
    """Print a race's leaderboard and what it says. Raises Refused for one of another version."""
    asked, name = Race.from_json(run.question), run.id
    rows = standings.leaderboard(asked, worker.follow(name))
    if as_json:
        print(json.dumps({"race": name, "status": run.status, "question": asked.as_dict(), "rows": rows,
                          "verdict": _verdict(asked, rows)}, allow_nan=False))  # fmt: skip
    else:
        console.table(COLUMNS, [_cells(place, row) for place, row in enumerate(rows, 1)])
        print(f"\n{_verdict(asked, rows)}")
        print(f"In the browser: streamlit run app.py, then open http://localhost:8501/race?race={name}")


def _asked(arguments: argparse.Namespace) -> Race:
    """The race that the person described. Raises Refused."""
    if arguments.race is not None:
        _alone(arguments)
        path = Path(arguments.race)
        if not path.is_file() or path.stat().st_size > 20 * asking.SPEC_SIZE:
            raise Refused(Problem("race", arguments.race, "a file with a race", "export one and name that file"))
        return Race.from_json(path.read_bytes())
    if not arguments.seeds.isdecimal() or not 1 <= int(arguments.seeds) <= races.MOST:
        raise Refused(Problem("seeds", arguments.seeds, f"a whole number from 1 to {races.MOST:,}", "choose one"))
    for option, instead in (("strategy", "name who races with --strategies"), ("no_control", "leave it out")):
        if getattr(arguments, option):
            raise Refused(Problem(option, getattr(arguments, option), "several strategies, each beside its control",
                                  instead))  # fmt: skip
    spec = asking.questions(arguments)[0]
    if problems := spec.problems():
        raise Refused(*problems)
    seeds = range(spec.seed, spec.seed + int(arguments.seeds))
    sources = asking.names("sources", arguments.sources) or [spec.source]
    if arguments.sweep:
        if arguments.strategies or arguments.halving or len(sources) > 1:
            raise Refused(Problem("sweep", "strategies, several sources or halving beside it", "one source and nothing "
                                  "else", "leave them out"))  # fmt: skip
        if sources != [spec.source]:
            spec = spec.revised(source=sources[0], network=None, image_size=None)
        return races.sweep(spec.revised(strategy=races.TUNED, blocks=1), seeds)
    strategies = asking.names("strategies", arguments.strategies) or [*races.USUAL]
    return races.between(spec, strategies, sources, seeds, halving=arguments.halving)


def _alone(arguments: argparse.Namespace) -> None:
    """A race from a file says everything itself. Raises Refused for any other option beside it."""
    usual = {"seeds": str(races.ENOUGH), "race": arguments.race, "label": arguments.label, "json": arguments.json}
    for option, value in vars(arguments).items():
        if option != "command" and value not in (None, False, usual.get(option)):
            raise Refused(Problem(option, value, "nothing beside --race but --label and --json", "leave it out, or "
                                  "change the file"))  # fmt: skip


def _verdict(asked: Race, rows: list[dict[str, Any]]) -> str:
    if asked.kind == races.SWEEP:
        return words.depth_sentence(standings.by_depth(rows, asked))
    ran = [row for row in rows if row["members"]]
    return words.race_sentence(ran, [standings.duel(ran[0], row) for row in ran[1:]])


def _cells(place: int, row: dict[str, Any]) -> list[str | None]:
    gain, n = row["gain"], row["left"]
    told = [f"left after {n} seed{'s' * (n != 1)}"] if n is not None else []
    told += [f"{row['failed']} without a result"] if row["failed"] else []
    interval = " to ".join(words.points(end).split()[0] for end in gain["interval"] or ()) if gain else ""
    return [
        str(place), row["name"], str(len(row["members"])), _share(row["validation"]), _share(row["accuracy"]),
        words.points(gain["mean"]) if gain else None, interval or None, ", ".join(told),
    ]  # fmt: skip


def _share(value: float | None) -> str | None:
    return None if value is None else f"{value:.3f}"
