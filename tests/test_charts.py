"""Figures mean what their colours say, and a live one keeps its traces."""

from __future__ import annotations

import json

import pytest

from tlcore import RunSpec, admission, charts
from tlcore.events import SCRATCH, TRANSFER, Story
from tlcore.strategies import STRATEGIES


def story(transfer: int, scratch: int) -> Story:
    def epochs(arm: str, count: int) -> list[dict[str, object]]:
        figures = {"loss": 1.0, "accuracy": 0.5, "val_loss": 1.0, "val_accuracy": 0.5}
        return [{"arm": arm, "epoch": n, **figures} for n in range(count)]

    phases = [{"name": "head", "epochs": 5}, {"name": "everything learns", "epochs": 5}]
    arms = {TRANSFER: phases, SCRATCH: [{"name": "everything learns", "epochs": 10}]}
    return Story(arms=arms, epochs=epochs(TRANSFER, transfer) + epochs(SCRATCH, scratch))


def test_the_traces_of_a_live_figure_never_change_places() -> None:
    drawn = [charts.learning_curves(story(*counts)) for counts in ((0, 0), (3, 0), (10, 4))]
    names = [[(trace.name, trace.xaxis) for trace in figure.data] for figure in drawn]
    assert names[0] == names[1] == names[2]
    assert len({figure.layout.height for figure in drawn}) == 1


def test_the_control_is_grey_and_dashed_and_the_transfer_has_the_accent() -> None:
    figure = charts.learning_curves(story(10, 10))
    lines = {trace.name: trace.line for trace in figure.data}
    assert lines["transfer, validation"].color == charts.ACCENT
    assert lines["from scratch, validation"].color == charts.CONTROL
    assert lines["from scratch, validation"].dash == "dash"
    assert lines["transfer, validation"].dash == "solid"


def test_long_runs_are_thinned_and_keep_their_last_epoch() -> None:
    figure = charts.learning_curves(story(4321, 0))
    (curve, *_) = [trace for trace in figure.data if trace.name == "transfer, validation"]
    assert len(curve.x) <= charts.MOST_POINTS
    assert curve.x[-1] == 4321


@pytest.mark.parametrize("name", [name for name in STRATEGIES if name != "scratch"])
def test_a_plan_is_cool_where_frozen_and_warm_where_it_learns(name: str) -> None:
    spec = (
        RunSpec(strategy=name)
        if name != "copy_all"
        else RunSpec(dataset="fashion_mnist", source="mnist", strategy=name)
    )
    blocks = admission.blocks(spec)
    phases = STRATEGIES[name].plan(spec, [block.name for block in blocks])
    figure = json.loads(charts.plan(phases, blocks).to_json())
    for phase, bar in zip(phases, figure["data"], strict=True):
        for block, colour in zip(bar["y"], bar["marker"]["color"], strict=True):
            assert (colour == charts.FROZEN) == (block not in phase.learning)
    assert sum(bar["x"][0] for bar in figure["data"]) == spec.epochs


def test_a_higher_rate_is_warmer() -> None:
    def blue(rate: float) -> int:
        return int(charts.warm(rate, 0.01).removesuffix(")").split(",")[2])

    assert blue(0.01) < blue(0.001) < blue(0.0001)


def receipt(blocks: int, adapted: bool = True) -> dict[str, object]:
    """Of a network with a small first block, large ones behind it, and a head that is new but for a class."""

    def row(fate: str, block: str, parameters: int, how: str = "") -> dict[str, object]:
        return {"fate": fate, "block": block, "parameters": parameters, "tensor": f"{block}/layer/kernel", "how": how}

    first = "adapted" if adapted else "copied"
    rows = [row(first, "stage1", 864, "3 colour channels from 1"), row("copied", "stage1", 32)]
    rows += [row("copied", f"stage{n}", 1_000_000) for n in range(2, blocks)]
    rows += [row("new", "head", 640, "the head is new"), row("new", "head", 10, "the head is new")]
    rows += [row("unused", "predictions", 500), row("unused", "other", 500)]
    return {"rows": rows, "unused": {"tensors": 2, "parameters": 1000, "share": 0.25}}


@pytest.mark.parametrize("blocks", [3, 20])
def test_a_receipt_shows_the_fate_of_every_block_however_small(blocks: int) -> None:
    figure = charts.receipt(receipt(blocks))
    shown = {bar.name: dict(zip(bar.y, bar.x, strict=True)) for bar in figure.data}
    assert shown["adapted"] == {"stage1 · 896": 864 / 896} and shown["new"] == {"head · 650": 1.0}
    assert shown["copied"]["stage1 · 896"] == 32 / 896 and shown["unused"] == {"not used · 1,000": 0.25}
    stages = [f"stage{n} · 1,000,000" for n in range(2, blocks)]
    assert [*figure.layout.yaxis.categoryarray] == ["stage1 · 896", *stages, "head · 650", "not used · 1,000"]
    assert {bar.name: bar.marker.color for bar in figure.data} == charts.FATES
    assert figure.layout.height <= 600
    (how,) = [bar.customdata for bar in figure.data if bar.name == "adapted"]
    assert [*how[0]] == ["stage1", 864, "<br>3 colour channels from 1"]


def test_a_receipt_from_before_adapting_can_still_be_drawn() -> None:
    old = receipt(3, adapted=False)
    for row in old["rows"]:  # type: ignore[attr-defined]
        del row["how"]
    assert {bar.name for bar in charts.receipt(old).data} == {"copied", "new", "unused"}


def test_a_receipt_tells_three_reasons_at_most() -> None:
    rows = [
        {"fate": "new", "block": "a", "parameters": 1, "tensor": f"a/{n}/k", "how": f"<reason {n}>"} for n in range(5)
    ]
    unused = {"tensors": 0, "parameters": 0, "share": 0.0}
    (bar,) = charts.receipt({"rows": rows, "unused": unused}).data
    assert bar.customdata[0][2] == "<br>&lt;reason 0&gt;<br>&lt;reason 1&gt;<br>&lt;reason 2&gt;<br>…"
