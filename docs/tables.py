"""Write the generated tables of README and of docs/strategies.md anew: ``python docs/tables.py``.

Each stands between ``<!-- NAME -->`` and ``<!-- end -->``. The measured ones are read from ``docs/measured.json``,
which ``python benchmarks/run_all.py --json docs/measured.json`` writes, and from ``docs/strategies.json``, which
``python benchmarks/strategies.py --json docs/strategies.json`` writes.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import mean

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tlcore.evaluation import over_seeds  # noqa: E402
from tlcore.pretrained import ARCHITECTURES  # noqa: E402
from tlcore.recipes import RECIPES  # noqa: E402
from tlcore.strategies import STRATEGIES  # noqa: E402

PAGES = (ROOT / "README.md", ROOT / "docs" / "strategies.md")


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


def compared(name: str) -> str:
    """All strategies on one amount of one dataset, the best first."""
    found = json.loads((ROOT / "docs" / "strategies.json").read_text())["found"][name]
    scratch = found.get("scratch", {}).get("accuracies", [0.0] * 6)
    head = ("strategy", "test accuracy", "gain over scratch in points", "95 % interval", "its rate", "learns at most")
    rows = []
    for strategy, own in sorted(found.items(), key=lambda item: -mean(item[1]["accuracies"])):
        over = over_seeds([transfer - control for transfer, control in zip(own["accuracies"], scratch, strict=True)])
        low, high = over["interval"]
        same = strategy == "scratch"
        sure = "**" if over["significant"] else ""
        gained = f"{sure}{100 * over['mean']:+.1f}{sure}"
        rows.append((
            f"`{strategy}`", f"{mean(own['accuracies']):.3f}", "–" if same else gained,
            "–" if same else f"{100 * low:+.1f} to {100 * high:+.1f}", f"{own['rate']:g}", f"{own['trainable']:,}",
        ))  # fmt: skip
    return table(head, rows)


TABLES: dict[str, Callable[[], str]] = {
    "strategies": strategies, "sources": sources, "recipes": recipes, "measured": measured, "gain": gain,
    "photographs": photographs,
    **{
        f"{data} {amount}": partial(compared, f"{data}, {amount} a class")
        for data in ("digits", "photographs")
        for amount in (10, 100)
    },
}  # fmt: skip


def written(text: str) -> str:
    """A page's text with every generated table in it as it should be now."""
    for name in re.findall(r"<!-- (?!end)(.+?) -->", text):
        content = TABLES[name]()
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text = pattern.sub(lambda found, content=content: f"{found[1]}{content}\n{found[2]}", text)  # type: ignore[misc]
    return text


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(written(page.read_text()))
