"""What there is to choose from, and all runs, as plain rows for the command line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Any

from . import datasets as all_datasets
from . import features, runs
from .datasets import Damaged
from .races import Race
from .recipes import RECIPES
from .runs import Run
from .sources import everything
from .spec import Refused, RunSpec
from .strategies import STRATEGIES


def datasets() -> Iterator[dict[str, Any]]:
    """What ``datasets`` lists."""
    for dataset in all_datasets.everything():
        try:
            examples = dataset.facts().examples
        except Damaged:
            examples = None
        yield {
            "name": dataset.name, "title": dataset.title, "summary": dataset.summary,
            "kind": "image" if dataset.is_image else "vector", "shape": dataset.shape,
            "classes": list(dataset.classes), "examples": examples, "ready": dataset.ready and examples is not None,
        }  # fmt: skip


def sources() -> Iterator[dict[str, Any]]:
    """What ``sources`` lists: the shipped ones, then all finished runs."""
    for source in everything():
        run = source.run
        yield {
            "name": source.name, "title": source.title, "summary": source.summary, "kind": source.kind,
            "network": source.network, "dataset": source.spec.dataset if source.spec else None,
            "blocks": [{"name": block.name, "parameters": block.parameters} for block in source.blocks],
            "parameters": sum(block.parameters for block in source.blocks),
            "trained": run is not None, "ready": source.ready, "accuracy": source.accuracy, "run": run,
        }  # fmt: skip


def strategies() -> Iterator[dict[str, Any]]:
    """What ``strategies`` lists."""
    for strategy in STRATEGIES.values():
        yield {key: getattr(strategy, key) for key in ("name", "title", "sentence", "when", "reference", "copies")}


def recipes() -> Iterator[dict[str, Any]]:
    """What ``recipes`` lists."""
    return map(asdict, RECIPES.values())


def kept_features() -> Iterator[dict[str, Any]]:
    """What ``features`` lists: what was used last comes first."""
    for entry in features.usage():
        yield {
            "name": entry.title, "rows": entry.rows, "megabytes": round(entry.bytes / 1e6, 1),
            "used": datetime.fromtimestamp(entry.used).astimezone(), "bytes": entry.bytes, "key": entry.key,
            "about": entry.about,
        }  # fmt: skip


def all_races() -> Iterator[dict[str, Any]]:
    """What ``races`` lists."""
    for run in runs.all_runs(runs.RACE):
        try:
            total = Race.from_json(run.question).total
        except Refused:  # asked by a version that knew other fields
            total = None
        yield {
            "race": run.id, "when": datetime.fromtimestamp(run.created).astimezone(), "status": run.status,
            "runs": total, "label": run.label,
        }  # fmt: skip


def all_runs() -> Iterator[dict[str, Any]]:
    """What ``runs`` lists."""
    for run in runs.all_runs(runs.TRAIN, runs.SOURCE):
        spec, result = _spec(run), run.result or {}
        yield {
            "run": run.id, "when": datetime.fromtimestamp(run.created).astimezone(),
            "label": run.label, "status": run.status,
            **{key: getattr(spec, key, None) for key in ("dataset", "source", "strategy", "seed")},
            "accuracy": result["test"]["accuracy"] if result else None,
            "gain": result["gain"]["gain"] if result.get("gain") else None,
        }  # fmt: skip


def _spec(run: Run) -> RunSpec | None:
    """A run's question; None for one that another version asked."""
    try:
        return run.spec
    except Refused:
        return None
