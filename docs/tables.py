"""Write README's generated tables anew: ``python docs/tables.py``.

Each stands between ``<!-- NAME -->`` and ``<!-- end -->``. The measured ones are read from ``docs/measured.json``,
which ``python benchmarks/run_all.py --json docs/measured.json`` writes.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tlcore.pretrained import ARCHITECTURES  # noqa: E402
from tlcore.recipes import RECIPES  # noqa: E402
from tlcore.strategies import STRATEGIES  # noqa: E402

README = ROOT / "README.md"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def strategies() -> str:
    return table(
        ("strategy", "what it does", "when to use it", "after"),
        [(f"`{s.name}`", s.sentence, s.when, s.reference or "–") for s in STRATEGIES.values()],
    )


def recipes() -> str:
    return table(("recipe", "what it shows"), [(f"`{recipe.name}`", recipe.sentence) for recipe in RECIPES.values()])


def sources() -> str:
    head = ("network", "parameters", "download", "top-1", "pixels", "blocks", "after")
    rows = [
        (
            f"`imagenet/{own.name}`",
            f"{own.parameters / 1e6:.1f} M",
            f"{own.download / 1e6:.0f} MB",
            f"{own.top1:.1%}",
            str(own.size),
            ", ".join(stage.name for stage in own.layout),
            own.reference,
        )
        for own in ARCHITECTURES.values()
    ]
    return table(head, rows)


def photographs() -> str:
    found = json.loads((ROOT / "docs" / "measured.json").read_text())["photographs"]
    own, gain = found["accuracies"], found["gain"]
    low, high = gain["interval"]
    head = ("pictures a class", "borrowed", "from scratch", "mean gain in points", "95 % interval over seeds")
    cells = (
        str(found["samples_per_class"]), f"{mean(own['transfer']):.3f}", f"{mean(own['scratch']):.3f}",
        f"{100 * gain['mean']:+.1f}", f"{100 * low:+.1f} to {100 * high:+.1f}",
    )  # fmt: skip
    return table(head, [cells])


def measured() -> str:
    rows = json.loads((ROOT / "docs" / "measured.json").read_text())["figures"]
    return table(("what", "measured", "bar", "script"), [row for row in rows if row[2]])


def gain() -> str:
    rows = json.loads((ROOT / "docs" / "measured.json").read_text())["gain"]
    head = ("pictures a class", "borrowed", "from scratch", "mean gain in points", "95 % interval")
    cells = [
        (
            str(row["samples_per_class"]),
            f"{mean(row['accuracies']['transfer']):.3f}",
            f"{mean(row['accuracies']['scratch_best']):.3f}",
            f"{100 * row['gain']['mean']:+.1f}",
            f"{100 * row['gain']['interval'][0]:+.1f} to {100 * row['gain']['interval'][1]:+.1f}",
        )
        for row in rows
    ]
    return table(head, cells)


TABLES: dict[str, Callable[[], str]] = {
    "strategies": strategies, "sources": sources, "recipes": recipes, "measured": measured, "gain": gain,
    "photographs": photographs,
}  # fmt: skip


def written(text: str) -> str:
    """README's text with every generated table as it should be now."""
    for name, make in TABLES.items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        assert pattern.search(text), f"README has no place for the table {name!r}"
        content = make()
        text = pattern.sub(lambda found, content=content: f"{found[1]}{content}\n{found[2]}", text)  # type: ignore[misc]
    return text


if __name__ == "__main__":
    README.write_text(written(README.read_text()))
