"""What the command line prints: a run's answer as data and as text, and tables."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from . import runs, worker
from .admission import blocks
from .events import Story
from .runs import Run
from .spec import Refused, RunSpec
from .strategies import arms, told
from .words import count, duration, gain_sentence, points

FATES = ("copied", "adapted", "new", "unused")
FIGURES = ("accuracy", "interval", "loss", "macro_precision", "macro_recall", "macro_f1", "examples")
PHASE = ("name", "epochs", "learning_rate", "trainable_parameters", "frozen_parameters")
LOST = "its engine was killed, or the computer ran out of memory or was switched off; run it again"
WHOLE = 16
"""Columns that are no wider than this are not wrapped."""


def answer(run: Run) -> dict[str, Any]:
    """A run's question and answer as one object that JSON can hold."""
    story, spec = worker.follow(run.id), run.spec
    result = story.result or {}
    training = sum(epoch["seconds"] for epoch in story.epochs)
    so_far = training if run.status == runs.LOST else story.seconds_so_far()  # when it was lost, nobody knows
    seconds = result.get("seconds") or {"total": round(so_far, 3), "training": round(training, 3)}
    elsewhere = result.get("elsewhere")
    told: dict[str, Any] = {
        "run": run.id, "status": run.status,
        "dataset": spec.dataset, "source": spec.source, "strategy": spec.strategy, "seed": spec.seed,
        "test": _figures(result.get("test")), "control": _figures(result.get("control")),
        "gain": result["gain"]["gain"] if result.get("gain") else None,
        "receipt": {fate: story.receipt[fate] for fate in FATES} if story.receipt else None,
        "phases": [{key: phase[key] for key in PHASE} for phase in plan(spec, story)],
        "seconds": {key: seconds[key] for key in ("total", "training")},
        "elsewhere": {"dataset": elsewhere["dataset"], **(_figures(elsewhere) or {})} if elsewhere else None,
        "reason": reason(run.status, story), "also": [],
    }  # fmt: skip
    return dict(_finite(told))


def _figures(figures: dict[str, Any] | None) -> dict[str, Any] | None:
    """Test figures without what is one row a class."""
    return {key: figures[key] for key in FIGURES} if figures else None


def _finite(value: Any) -> Any:
    """The same without NaN and infinities, which are no JSON: training that blew up has them."""
    if isinstance(value, dict):
        return {key: _finite(own) for key, own in value.items()}
    if isinstance(value, list):
        return [_finite(own) for own in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def reason(status: str, story: Story) -> str | None:
    """Why a run has no answer, if it has none although nobody stopped it."""
    if status == runs.LOST:
        return LOST
    return one_line(story.failure["reason"]) if story.failure else None


def plan(spec: RunSpec, story: Story) -> list[dict[str, Any]]:
    """The phases of the main arm: as the run told them, or as it will once it begins."""
    if story.arms:
        return next(iter(story.arms.values()))
    try:
        cards = blocks(spec)
    except (LookupError, Refused):  # its dataset or source is no longer there
        return []
    plans = arms(spec, [card.name for card in cards])
    return [told(phase, cards, spec.lora_rank) for phase in next(iter(plans.values()))]


def account(run: Run) -> None:
    """Print a run's answer as a table of two columns."""
    told, spec, result = answer(run), run.spec, run.result
    rows = [("Run", f"{run.id} ({run.status})"), *([("Label", run.label)] if run.label else [])]
    rows += [("Dataset", spec.dataset), ("Source", spec.source), ("Strategy", spec.strategy)]
    if told["reason"]:
        rows.append(("Reason", told["reason"]))
    if result:
        test, control, gain = result["test"], result["control"], result["gain"]
        rows.append(("Accuracy", _accuracy(test)))
        rows.append(("Control", _accuracy(control) if control else "none"))
        if gain:
            low, high = (points(end).split()[0] for end in gain["interval"])
            rows.append(("Gain", f"{points(gain['gain'])} (95 % interval over test examples: {low} to {high})"))
        if elsewhere := result.get("elsewhere"):
            rows.append((f"On {elsewhere['dataset']}", _accuracy(elsewhere, "examples")))
        rows.append(("In words", gain_sentence(spec, result)))
    if told["receipt"]:
        rows.append(("Receipt", _receipt(told["receipt"])))
    if run.over:
        seconds = told["seconds"]
        rows.append(("Time", f"{duration(seconds['total'])}, {duration(seconds['training'])} of it training"))
    model = run.folder / "model.keras"
    if model.is_file():
        rows.append(("Model", str(model)))
    page = "results" if result else "training"
    rows.append(("In the browser", f"streamlit run app.py, then open http://localhost:8501/{page}?run={run.id}"))
    table(("", ""), rows)


def question(run: Run) -> None:
    """Print what a run was asked to do, and its plan."""
    table(("", ""), [(field, value) for field, value in asdict(run.spec).items() if value is not None])
    print()
    shown = [[cell(key, phase[key]) for key in PHASE] for phase in plan(run.spec, worker.follow(run.id))]
    table(("phase", "epochs", "learning rate", "parameters that learn", "frozen"), shown)
    print()


def _accuracy(figures: dict[str, Any], of: str = "test examples") -> str:
    low, high = figures["interval"]
    return f"{figures['accuracy']:.3f} (95 % interval {low:.3f} to {high:.3f}, {count(figures['examples'])} {of})"


def _receipt(receipt: dict[str, Any]) -> str:
    """What became of the weights, in one line; fates that nothing met are left out."""
    said = [
        f"{fate} {count(total['parameters'])} parameters ({100 * total['share']:.0f} %)"
        for fate, total in receipt.items()
        if total["tensors"] and fate != "unused"
    ]
    unused = receipt["unused"]
    more = f"; {count(unused['parameters'])} of the source's stay unused" if unused["tensors"] else ""
    return ", ".join(said) + more


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows in columns: drawn on a terminal, plain text elsewhere. Without column names there is no heading."""
    cells = [["–" if cell is None else one_line(str(cell)) for cell in row] for row in rows]
    lines = [list(columns), *cells] if any(columns) else cells
    widths = [max((len(line[i]) for line in lines), default=0) for i in range(len(columns))]
    if sys.stdout.isatty() and _drawn(columns, cells, widths):
        return
    for line in lines:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def _drawn(columns: Sequence[str], cells: list[list[str]], widths: list[int]) -> bool:
    """Draw a table whose long texts are wrapped and whose ids and numbers are not; False where that is too wide."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console, whole = (
        Console(),
        [n in ("run", "name") or width <= WHOLE for n, width in zip(columns, widths, strict=True)],
    )
    least = [width if keep else WHOLE for width, keep in zip(widths, whole, strict=True)]
    if sum(least) + 3 * (len(least) - 1) > console.width:
        return False
    drawn = Table(show_header=any(columns), box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name, width, keep in zip(columns, least, whole, strict=True):
        drawn.add_column(name, min_width=width, no_wrap=keep, overflow="fold")
    for row in cells:
        drawn.add_row(*map(Text, row))  # Text: a label is never taken for markup
    console.print(drawn)
    return True


def cell(name: str, value: object) -> str | None:
    """A value of a list's row as a table shows it."""
    match value:
        case None | "":
            return None
        case bool():
            return "yes" if value else "no"
        case float():
            return points(value).split()[0] if name == "gain" else f"{value:.4g}"
        case tuple():
            return "×".join(map(str, value))
        case list():
            return str(len(value))
        case int():
            return str(value) if name == "seed" else count(value)
        case datetime():
            return f"{value:%Y-%m-%d %H:%M}"
    return str(value)


def complain(line: str) -> None:
    """What went wrong, on one line of standard error."""
    print(one_line(line), file=sys.stderr)


def one_line(text: str) -> str:
    """The same on one line, with nothing in it that could steer a terminal."""
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


def short(value: object, most: int = 60) -> str:
    """A received value as Python would write it, cut where it is long."""
    text = repr(value)
    return text if len(text) <= most else f"{text[:most]}…{text[-1:]}"


def cut(text: str, most: int) -> str:
    """The same, or its beginning."""
    return text if len(text) <= most else text[:most] + "…"
