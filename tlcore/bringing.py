"""The commands ``import`` and ``check``: a person's own data, from the command line."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from . import console, foreign, live, runs, worker
from .datasets import library
from .spec import Problem, Refused
from .words import count


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", metavar="LABEL", default="", help="what you call the dataset")
    parser.add_argument("--labels", metavar="CSV", help="a table with a column of file names and one of labels")
    parser.add_argument(
        "--label-column", metavar="C", help="the column that is to be told; guessed where it is left out"
    )
    parser.add_argument(
        "--size", metavar="N", default="96", help="the side to keep pictures at, in pixels (default 96)"
    )


def bring(arguments: argparse.Namespace) -> int:
    """Import files, and print what came of it."""
    path = _existing("path", arguments.path)
    labels = _existing("labels", arguments.labels) if arguments.labels else None
    if not arguments.size.isdecimal() or not 8 <= int(arguments.size) <= 1024:
        raise Refused(Problem("size", arguments.size, "a whole number from 8 to 1024", "choose one, or leave it out"))
    origin = _shown(path.name)
    job = worker.order(
        runs.IMPORT, origin, path=str(path), origin=origin, label=_shown(arguments.name),
        labels=str(labels) if labels else None, label_column=arguments.label_column, size=int(arguments.size),
    )  # fmt: skip
    answer, status = _waited_for(job, arguments.json)
    if answer is None:
        return status
    whole = library.imported(answer["dataset"])
    told = summary(whole.id, answer["version"]) | {"seconds": answer["seconds"]}
    if arguments.json:
        print(json.dumps(told, allow_nan=False))
        return status
    if answer.get("again"):
        print("The very same content was here already.")
    _account(told, whole)
    print(f"\nUse it with: python -m tlcore run --dataset {whole.id}")
    return status


def check(arguments: argparse.Namespace) -> int:
    """Print the health check of a dataset."""
    card = library.card(arguments.dataset)
    whole, own = library.imported(card.import_id), library.version(card.import_id, card.version)
    told = summary(whole.id, card.version)
    if arguments.json:
        print(json.dumps(told | {"health": own.health, "notes": whole.notes}, allow_nan=False))
        return 0
    _account(told, whole)
    print()
    for finding in own.health["findings"]:
        print(console.one_line(f"{finding['level']}: {finding['title']}. {finding['sentence']}"))
    return 0


def weights(name: str) -> str:
    """The source that ``file:PATH``, or a preset of KerasHub, becomes; one that was taken in before stays."""
    text = name.removeprefix("file:")
    if any(text == own.id for own in foreign.kept()):
        return name
    if name.startswith("file:"):
        path = _existing("source", text)
        job = worker.order(runs.INSPECT, _shown(path.name), path=str(path), title=_shown(path.name))
    elif name in foreign.PRESETS and foreign.hub_installed():
        job = worker.order(runs.BORROW, name, source=name)
    else:
        expected = ", ".join(foreign.PRESETS) if foreign.hub_installed() else "KerasHub to be installed"
        raise Refused(Problem("source", name, expected, "see requirements-hub.txt, or choose another source"))
    if live.watch([job], as_json=True):
        raise KeyboardInterrupt
    story = worker.follow(job)
    if not story.result:
        reason = story.failure["reason"] if story.failure else "it could not be read"
        raise Refused(Problem("source", name, "weights that can be taken", reason))
    return str(story.result["source"])


def summary(dataset: str, number: int) -> dict[str, Any]:
    """What was imported, as plain data."""
    whole, card = library.imported(dataset), library.card(f"{dataset}@{number}")
    findings = {own["kind"]: own for own in library.version(dataset, number).health["findings"]}

    def copies(*kinds: str) -> int:
        return sum(sum(len(group) - 1 for group in findings[kind]["groups"]) for kind in kinds if kind in findings)

    return {
        "dataset": dataset, "version": number, "kind": whole.kind, "shape": list(whole.shape),
        "classes": dict(zip(card.classes, card.facts().each, strict=True)),
        "skipped": [{"file": file, "reason": reason} for file, reason in whole.skipped],
        "passed_over": whole.passed_over,
        "duplicates": {
            "exact": copies("copies", "conflict", "leak"),
            "near": copies("copies near", "conflict near", "leak near"),
            "across_splits": copies("leak", "leak near"),
        },
    }  # fmt: skip


def _account(told: dict[str, Any], whole: library.Import) -> None:
    duplicates = told["duplicates"]
    classes = ", ".join(f"{name} {count(n)}" for name, n in [*told["classes"].items()][:20])
    more = f" and {len(told['classes']) - 20} more" if len(told["classes"]) > 20 else ""
    rows: list[tuple[str, object]] = [
        ("Dataset", f"{told['dataset']}@{told['version']}"), ("Name", whole.label), ("Kind", told["kind"]),
        ("Examples", count(sum(told["classes"].values()))), ("Classes", classes + more),
        ("Skipped", "; ".join(f"{s['file']}: {s['reason']}" for s in told["skipped"][:5]) or "nothing"),
        ("Passed over", ", ".join(f"{count(n)} {why}" for why, n in whole.passed_over.items()) or "nothing"),
        ("Duplicates", f"{count(duplicates['exact'])} exact, {count(duplicates['near'])} near, "
                       f"{count(duplicates['across_splits'])} across splits"),
        *(("Note", note) for note in whole.notes),
    ]  # fmt: skip
    if "seconds" in told:
        rows.append(("Time", f"{told['seconds']:.1f} s"))
    console.table(("", ""), rows)


def _waited_for(job: str, as_json: bool) -> tuple[dict[str, Any] | None, int]:
    """A job's answer with the seconds it took, and the exit status; what went wrong is told."""
    interrupted = live.watch([job], as_json)
    ended, story = runs.get(job), worker.follow(job)
    if ended.status != "finished" or not story.result:
        console.complain(console.reason(ended.status, story) or f"the import was {ended.status}")
        refused = bool(story.failure and story.failure.get("refused"))
        return None, 130 if interrupted else 2 if refused else 1
    return {**story.result, "seconds": (story.seconds or {}).get("total", 0.0)}, 0


def _shown(name: str) -> str:
    """A name as text: not every computer's file names are."""
    return name.encode(errors="replace").decode()


def _existing(field: str, text: str) -> Path:
    path = Path(text).expanduser().absolute()
    try:
        there = path.exists()
    except (OSError, ValueError):  # a name that no file can have
        there = False
    if not there:
        raise Refused(Problem(field, text, "a file or folder on this computer", "check its path"))
    return path
