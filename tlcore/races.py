"""Races: strategies and sources side by side over several seeds, as one experiment.

A race is a job of the task ``race`` whose question is a :class:`Race`; the engine carries its runs out one after the
other (:mod:`tlcore.engine.race`), each a whole run of its own. All that its leaderboard needs
(:mod:`tlcore.standings`) is in its own story: the ``member`` events.

Successive halving (Jamieson and Talwalkar, 2016, arXiv:1502.07943) spends seeds, never epochs: a plan of several
phases starts slowly, and would be thrown out half-trained. After 1, 2, 4, ... seeds the worse half leaves.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from . import admission, runs, worker
from .catalogue import UnknownName
from .datasets import dataset
from .sources import NONE, source
from .spec import Problem, Refused, RunSpec
from .strategies import STRATEGIES

RACE, SWEEP = "race", "sweep"
FROZEN, TUNED = "first_frozen", "first_tuned"
"""The strategies of a depth sweep: AnB and AnB+ of Yosinski et al., 2014, arXiv:1411.1792."""
USUAL = ("lp_ft", "linear_probe", "last_blocks", "fine_tune")
"""Who races where nobody says otherwise."""
SEEDS, ENOUGH = (3, 6, 10), 6
"""Numbers of seeds to choose from, and the least that can tell a difference from chance."""
SHARED = ("dataset", "samples_per_class", "validation_share", "test_share", "evaluate_on", "seed", "control")
"""What all competitors have in common, or they could not be compared."""
MOST = 2_000
"""Runs of a race: far above any sensible number, to catch slips."""


@dataclass(frozen=True)
class Race:
    """What is raced: ``competitors`` are changes to ``spec``, each asked with every one of ``seeds``."""

    spec: RunSpec
    competitors: tuple[dict[str, Any], ...]
    seeds: tuple[int, ...]
    halving: bool = False
    kind: str = RACE

    def as_dict(self) -> dict[str, Any]:
        return json.loads(json.dumps(asdict(self)))  # type: ignore[no-any-return]  # JSON knows no tuples

    def to_json(self) -> str:
        return json.dumps(self.as_dict(), sort_keys=True)

    @classmethod
    def from_json(cls, text: str | bytes) -> Race:
        """The race that :meth:`to_json` wrote. Raises :class:`Refused` for anything else."""
        shown = text.decode(errors="replace") if isinstance(text, bytes) else text
        expected = Problem("race", shown[:40], "a race in JSON: spec, competitors and seeds", "export one from a "
                           "race")  # fmt: skip
        try:
            fields = json.loads(text)
            own = {**fields, "competitors": tuple(map(dict, fields["competitors"])), "seeds": tuple(fields["seeds"])}
            race = cls(**{**own, "spec": RunSpec.from_json(json.dumps(fields["spec"]))})
        except Refused:
            raise
        except (ValueError, TypeError, KeyError, RecursionError):
            raise Refused(expected) from None
        if problems := race._own_problems():
            raise Refused(*problems)
        return race

    def question(self, competitor: int, seed: int) -> RunSpec:
        """What a competitor is asked with a seed, always beside its control. Raises :class:`Refused`."""
        changed = {**asdict(self.spec), **self.competitors[competitor], "seed": seed, "control": True}
        return RunSpec.from_json(json.dumps(changed))

    @property
    def questions(self) -> list[RunSpec]:
        """All that may be asked, in the order in which it is: every competitor with one seed before the next seed."""
        return [self.question(place, seed) for seed in self.seeds for place in range(len(self.competitors))]

    def problems(self) -> list[Problem]:
        """Whatever stands in the way of any of its runs, each said once."""
        found, asked = self._own_problems(), set[RunSpec]()
        for seed in () if found else self.seeds:
            for place in range(len(self.competitors)):
                try:
                    question = admission.admit(self.question(place, seed))
                except Refused as error:
                    found += [own for own in error.problems if own not in found]
                    continue
                if question in asked and not found:
                    twice = json.dumps(self.competitors[place], sort_keys=True)
                    found.append(Problem("competitors", twice, "a question that no other competitor asks as "
                                         "well", "take one away"))  # fmt: skip
                asked.add(question)
        return found

    def _own_problems(self) -> list[Problem]:
        found = []
        if self.kind not in (RACE, SWEEP):
            found.append(Problem("kind", self.kind, f"{RACE!r} or {SWEEP!r}", "choose one of them"))
        if not isinstance(self.halving, bool):
            found.append(Problem("halving", self.halving, "true or false", "say one of them"))
        named = [own[field] for own in self.competitors for field in ("strategy", "source") if field in own]
        if strange := [own for own in named if not isinstance(own, str)]:
            found.append(Problem("competitors", strange[0], "the name of a strategy or a source", "give its name"))
        for name in sorted({name for own in self.competitors for name in own if name in SHARED}):
            found.append(Problem("competitors", f"a {name} of its own", f"the same {name} for all: only then can they "
                                 "be compared", "give it in the race's spec"))  # fmt: skip
        if not self.competitors:
            found.append(Problem("strategy", "nothing", "at least one strategy to race", "choose one or more"))
        if not self.seeds or any(isinstance(own, bool) or not isinstance(own, int) for own in self.seeds):
            found.append(Problem("seeds", list(self.seeds), "one or more whole numbers", "give at least one"))
        elif len(set(self.seeds)) < len(self.seeds):
            found.append(Problem("seeds", list(self.seeds), "each seed once", "take the others away"))
        if self.kind == SWEEP and any(
            own.get("strategy") not in (FROZEN, TUNED) or type(own.get("blocks")) is not int for own in self.competitors
        ):
            found.append(Problem("competitors", "others", f"{FROZEN!r} and {TUNED!r}, each with its number of blocks, "
                                 "in a sweep", f"make it a {RACE!r}"))  # fmt: skip
        written = [json.dumps(own, sort_keys=True, default=str) for own in self.competitors]
        if len(set(written)) < len(written):
            twice = next(own for own in written if written.count(own) > 1)
            found.append(Problem("competitors", twice, "each competitor once", "take the others away"))
        if len(self.seeds) * len(self.competitors) > MOST:
            found.append(Problem("seeds", f"{len(self.seeds)} for {len(self.competitors)} competitors",
                                 f"at most {MOST:,} runs", "choose fewer seeds or strategies"))  # fmt: skip
        return found

    @property
    def field(self) -> list[int]:
        """How many competitors run with each seed, one number a seed."""
        sizes, left = [], len(self.competitors)
        for number in range(1, len(self.seeds) + 1):
            sizes.append(left)
            left = self.staying(left, number)
        return sizes

    def staying(self, racing: int, seeds: int) -> int:
        """How many of those who race go on after so many seeds."""
        rung = self.halving and seeds & (seeds - 1) == 0 and seeds < len(self.seeds)
        return -(-racing // 2) if rung else racing

    @property
    def total(self) -> int:
        """How many runs it takes."""
        return sum(self.field)

    def with_more_seeds(self) -> Race:
        """The same with enough seeds to tell a difference from chance, or with six more; the old ones are among them,
        and what has run with them is not computed again."""
        wanted = next((n for n in SEEDS if n > len(self.seeds) and n >= ENOUGH), len(self.seeds) + ENOUGH)
        more = range(max(self.seeds) + 1, max(self.seeds) + 1 + wanted - len(self.seeds))
        return dataclasses.replace(self, seeds=(*self.seeds, *more))


def between(
    spec: RunSpec, strategies: Iterable[str], sources: Iterable[str], seeds: Iterable[int], *, halving: bool = False
) -> Race:
    """Every strategy with every source. What borrows nothing races once; another source comes with its own network."""
    competitors: list[dict[str, Any]] = []
    strategies = [*strategies]
    for name in sources:
        given = {} if name == spec.source else {"network": None, "image_size": None}
        competitors += [
            {"strategy": own, "source": name, **given}
            for own in strategies
            if own not in STRATEGIES or STRATEGIES[own].copies != "nothing"
        ]
    own_network = {"network": spec.network} if spec.network else {}
    competitors += [
        {"strategy": own, "source": NONE, **own_network}
        for own in strategies
        if own in STRATEGIES and STRATEGIES[own].copies == "nothing"
    ]
    return Race(spec, tuple(competitors), tuple(seeds), halving)


def sweep(spec: RunSpec, seeds: Iterable[int]) -> Race:
    """The depth sweep: the first n blocks copied, frozen or tuned, for every n. Raises Refused or UnknownName."""
    depth = len(admission.blocks(spec)) - 1
    competitors = tuple({"strategy": own, "blocks": n} for own in (FROZEN, TUNED) for n in range(1, depth + 1))
    return Race(spec, competitors, tuple(seeds), kind=SWEEP)


def order(race: Race, label: str = "") -> str:
    """Ask for a race; gives its id. One that is under way already is not asked for twice. Raises Refused."""
    if problems := race.problems():
        raise Refused(*problems)
    return worker.order(runs.RACE, label or title(race), **race.as_dict())


def title(race: Race) -> str:
    """What a race is about, in one line."""
    spec, n = race.spec, len(race.seeds)
    amount = "all" if spec.samples_per_class is None else f"{spec.samples_per_class} a class"
    about = f"{len(race.competitors)} competitor{'s' * (len(race.competitors) != 1)}"
    if race.kind == SWEEP:
        about = "how far borrowed knowledge carries"
    return f"{dataset(spec.dataset).title}, {amount} · {about} · {n} seed{'s' * (n != 1)}"


def names(race: Race) -> list[str]:
    """What each competitor is called: by strategy, by source where there are several, and by what else differs."""
    several = len({own.get("source", race.spec.source) for own in race.competitors} - {NONE}) > 1
    told = []
    for own in race.competitors:
        strategy, lender = own.get("strategy", race.spec.strategy), own.get("source", race.spec.source)
        name = STRATEGIES[strategy].title if strategy in STRATEGIES else str(strategy)
        blocks = own.get("blocks", race.spec.blocks)
        if race.kind == SWEEP:
            first = f"{blocks} blocks" if blocks != 1 else "block"
            name = f"First {first} copied, {'frozen' if strategy == FROZEN else 'tuned'}"
        elif "blocks" in own:
            name += f" ({blocks})"
        told.append(name + (f", from {_lender(lender)}" if several and lender != NONE else ""))
    usual = {"strategy", "source", "blocks", "network", "image_size"}
    return [
        f"{name} ({', '.join(f'{key} {own[key]}' for key in own if key not in usual)})"
        if told.count(name) > 1 and own.keys() - usual
        else name
        for name, own in zip(told, race.competitors, strict=True)
    ]


def _lender(name: str) -> str:
    try:
        return f"“{source(name).title}”"
    except UnknownName:
        return "a network that is gone"
