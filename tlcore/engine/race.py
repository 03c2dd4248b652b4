"""A race carried out: its runs one after the other in this one process, each a whole run of its own.

All competitors run with a seed before any runs with the next, so that the leaderboard is fair at any time. A run that
was finished earlier with exactly this question is taken as it is: a race that was killed goes on where it was when it
is asked again, and one with more seeds computes only those.
"""

from __future__ import annotations

import json
from typing import Any

from .. import __version__, admission, races, runs, standings
from ..events import Story
from ..races import Race
from ..spec import Refused
from . import device
from .teller import Teller


def carry_out(question: dict[str, Any], teller: Teller) -> dict[str, Any]:
    """Carry a race out; gives its summary. Raises Refused, Stopped, or RuntimeError where no run came to a result."""
    race = Race.from_json(json.dumps(question))
    if problems := race.problems():
        raise Refused(*problems)
    names, racing, done = races.names(race), [*range(len(race.competitors))], 0
    members: dict[tuple[int, int], dict[str, Any]] = {}
    left: dict[int, int] = {}
    for seeds, seed in enumerate(race.seeds, 1):
        for place in racing:
            teller.stop_here_if_asked()
            teller("stage", stage="racing", doing=f"{names[place]}, seed {seed}")
            teller("progress", done=done, of=race.total)
            members[place, seed] = _member(race, place, seed, names[place], teller)
            done += 1
        teller("progress", done=done, of=race.total)
        staying = standings.better_half(race, members, racing, seeds)
        for place in racing:
            if place not in staying:
                left[place] = seeds
                teller("left", competitor=place, seeds=seeds)
        racing = staying
    teller.stop_here_if_asked()
    return _summary(race, members, left)


def _member(race: Race, place: int, seed: int, name: str, teller: Teller) -> dict[str, Any]:
    """One run of the race: an earlier one of the same question, or a new one. Gives what is kept of it."""
    from . import journey  # which knows races by the table of jobs

    who = {"competitor": place, "seed": seed}
    spec = admission.admit(race.question(place, seed))
    run = runs.finished_with(spec)
    if run and (runs.get(run).result or {}).get("version") == __version__:  # others may compute otherwise
        teller("member", **who, run=run, taken=True)
    else:
        begun, lock = runs.begin(spec, f"Race: {name}, seed {seed}", runs.TRAIN)
        run = begun.id
        teller("member", **who, run=run, taken=False, status=runs.RUNNING)
        try:
            journey.carry_out(begun, parent=teller)
        finally:
            lock.release(force=True)
            device.forget()
    told = {"run": run, **standings.figures(run)}
    teller("member", **who, **told)
    return told


def _summary(race: Race, members: dict[tuple[int, int], dict[str, Any]], left: dict[int, int]) -> dict[str, Any]:
    """The leaderboard without the single runs, which the events hold. Raises RuntimeError where there is nothing."""
    rows = standings.leaderboard(race, Story(members=members, left=left))
    if not any(row["members"] for row in rows):
        reason = next((own["reason"] for own in members.values() if own.get("reason")), "all its runs were stopped")
        raise RuntimeError(f"No run of the race came to a result: {reason}")
    return {"kind": race.kind, "rows": [{key: own for key, own in row.items() if key != "members"} for row in rows]}
