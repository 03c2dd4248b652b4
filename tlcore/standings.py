"""How a race stands, live and afterwards: leaderboard, duels, accuracy by depth. Pure, but for :func:`figures`.

Places are given by validation accuracy, so that no test figure stands first because it was chosen for being the
highest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import mean, median
from typing import Any

from . import runs, worker
from .evaluation import over_seeds
from .events import SCRATCH, TRANSFER, Story
from .races import FROZEN, Race, names
from .spec import RunSpec

POINTS = 200
"""Most points of a learning curve that a race keeps."""

Members = Mapping[tuple[int, int], Mapping[str, Any]]
"""What a race told of its runs, by competitor and seed."""


def figures(run: str) -> dict[str, Any]:
    """What a race keeps of one of its runs that is over: numbers and the curve of validation accuracy."""
    own, story = runs.get(run), worker.follow(run)
    arm = TRANSFER if TRANSFER in story.arms else SCRATCH
    epochs = [epoch for epoch in story.epochs if epoch["arm"] == arm]
    told: dict[str, Any] = {"status": own.status, "seconds": story.seconds_so_far()}
    if own.status == "failed" and story.failure:
        told["reason"] = story.failure["reason"]
    if own.status != "finished" or not own.result:
        return told
    result, step = own.result, -(-len(epochs) // POINTS) or 1
    return told | {
        "accuracy": result["test"]["accuracy"],
        "control": result["control"]["accuracy"] if result["control"] else None,
        "gain": result["gain"]["gain"] if result["gain"] else None,
        "validation": _kept(epochs, own.spec)["val_accuracy"] if epochs else None,
        "curve": [[own["epoch"] + 1, own["val_accuracy"]] for own in epochs[(len(epochs) - 1) % step :: step]],
    }


def _kept(epochs: list[dict[str, Any]], spec: RunSpec) -> dict[str, Any]:
    """The epoch whose weights were kept: the last one, or the best of the last phase with early stopping."""
    if not spec.early_stopping:
        return epochs[-1]
    return min((own for own in epochs if own["phase"] == epochs[-1]["phase"]), key=lambda own: own["val_loss"])


def better_half(race: Race, members: Members, racing: Sequence[int], seeds: int) -> list[int]:
    """Who stays after so many seeds, by mean validation accuracy; the order of racing decides between equals."""
    best = sorted(racing, key=lambda place: -_validation(members, place, race.seeds[:seeds]))
    return sorted(best[: race.staying(len(racing), seeds)])


def _validation(members: Members, competitor: int, seeds: Iterable[int]) -> float:
    """Mean validation accuracy over those of the seeds that came to a result; −1 where none did."""
    own = [members.get((competitor, seed), {}).get("validation") for seed in seeds]
    return mean(value for value in own if value is not None) if any(value is not None for value in own) else -1.0


def leaderboard(race: Race, story: Story) -> list[dict[str, Any]]:
    """One row a competitor, the first place first, as plain data; fair at any time.

    A row holds ``competitor`` (its number), ``name``, ``members`` (its finished runs: seed, run, accuracy, control,
    gain, validation, seconds, curve), the means ``accuracy``, ``validation`` and ``seconds`` (None where nothing has
    finished), ``gain`` (:func:`tlcore.evaluation.over_seeds`'s answer, None without a gain), ``left`` (after how many
    seeds it had to leave, else None) and ``failed`` (how many of its runs came to no result).
    """
    rows = [_row(race, story, place, name) for place, name in enumerate(names(race))]
    still = [{own["seed"] for own in row["members"]} for row in rows if row["left"] is None and row["members"]]
    common = set.intersection(*still) if still else set()

    def standing(row: dict[str, Any]) -> tuple[float, float]:
        """By seeds that all who are still in have finished: none may lead for having had easier ones."""
        stays = len(race.seeds) + 1 if row["left"] is None else row["left"]
        seeds = common if row["left"] is None and common else set(race.seeds)
        return -stays, -_validation(story.members, row["competitor"], seeds)

    return sorted(rows, key=standing)


def progress(story: Story, inner: Story | None = None) -> tuple[float, float | None]:
    """How far a race is, from 0 to 1, and the seconds left, None where nothing can be said. ``inner`` is the story of
    the run that is under way."""
    done, of = float(story.progress.get("done", 0)), float(story.progress.get("of", 0))
    own = inner.share_done if inner and of > done else 0.0
    left = story.seconds_left()
    share = 1.0 if story.end == "finished" else (done + own) / of if of else 0.0
    return min(1.0, share), left if left is None or of <= done else left * (1 - own / (of - done))


def under_way(story: Story) -> str | None:
    """The run of a race that is at work, as far as the race has told."""
    going = [own["run"] for own in story.members.values() if own.get("status") == runs.RUNNING and not story.end]
    return going[-1] if going else None


def _row(race: Race, story: Story, place: int, name: str) -> dict[str, Any]:
    own = [{"seed": seed, **story.members.get((place, seed), {})} for seed in race.seeds]
    done = [one for one in own if one.get("accuracy") is not None]
    gains = [one["gain"] for one in done if one["gain"] is not None]
    valid = [one["validation"] for one in done if one["validation"] is not None]
    return {
        "competitor": place, "name": name, "members": done,
        "accuracy": mean(one["accuracy"] for one in done) if done else None,
        "validation": mean(valid) if valid else None,
        # Of a few runs the first one may also train the source, and one a seed the control that all share.
        "seconds": median(one["seconds"] for one in done) if done else None,
        "gain": over_seeds(gains) if gains else None,
        "left": story.left.get(place),
        "failed": sum(one.get("status", "running") not in ("running", "finished") for one in own),
    }  # fmt: skip


def duel(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any] | None:
    """How much more test accuracy one row has than another, over the seeds that both finished: over_seeds's answer."""
    theirs = {own["seed"]: own["accuracy"] for own in other["members"]}
    both = [own["accuracy"] - theirs[own["seed"]] for own in one["members"] if own["seed"] in theirs]
    return over_seeds(both) if both else None


def by_depth(rows: Sequence[Mapping[str, Any]], race: Race) -> dict[str, Any]:
    """A sweep's two curves and its control: for ``frozen`` and ``tuned`` lists of ``{"blocks", "accuracy", "low",
    "high", "seeds"}``, mean test accuracies; for ``scratch`` the mean of the controls, None without any.

    ``low`` and ``high`` are as far from the mean as the 95 % interval of the gain over scratch, paired by seed: seeds
    differ more from one another than depths do, which an interval of the accuracies alone would show.
    """
    found: dict[str, Any] = {"frozen": [], "tuned": [], "scratch": None}
    controls: dict[int, float] = {}
    for row in sorted(rows, key=lambda row: int(row["competitor"])):
        changes, gain = race.competitors[row["competitor"]], row["gain"]
        controls |= {own["seed"]: own["control"] for own in row["members"] if own["control"] is not None}
        if row["members"]:
            low, high = gain["interval"] if gain and gain["interval"] else (0.0, 0.0)
            ends = {"low": row["accuracy"] - (high - low) / 2, "high": row["accuracy"] + (high - low) / 2}
            point = {"blocks": changes["blocks"], "accuracy": row["accuracy"], "seeds": len(row["members"])}
            found["frozen" if changes["strategy"] == FROZEN else "tuned"].append(point | ends)
    found["scratch"] = mean(controls.values()) if controls else None
    return found


def numbers(rows: Sequence[Mapping[str, Any]]) -> str:
    """Every run as CSV: place, competitor, seed, the run's id and its figures."""
    import csv
    import io

    columns = ("place", "competitor", "seed", "run", "accuracy", "control", "gain", "validation", "seconds")
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for place, row in enumerate(rows, 1):
        for own in row["members"]:
            writer.writerow({**own, "place": place, "competitor": row["name"]})
    return out.getvalue()
