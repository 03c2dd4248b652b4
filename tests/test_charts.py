"""Figures mean what their colours say, and a live one keeps its traces."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

import pytest

from tlcore import RunSpec, admission, charts
from tlcore.events import SCRATCH, TRANSFER, Story
from tlcore.strategies import STRATEGIES, Phase, Plan


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


SPECS = {
    name: RunSpec(strategy=name) for name in STRATEGIES if name not in ("scratch", "copy_all", "custom")
} | {
    "copy_all": RunSpec(dataset="fashion_mnist", source="mnist", strategy="copy_all"),
    "scratch": RunSpec(source="none", strategy="scratch", network="small_cnn"),
    "custom": RunSpec(strategy="custom", plan=(Phase("own", 60, 0.01, ("conv1", "head"), (0.1, 1.0)),)),
}  # fmt: skip


def drawn(name: str, *new: str) -> tuple[Plan, dict[str, Any]]:
    blocks = admission.blocks(SPECS[name])
    phases = STRATEGIES[name].plan(SPECS[name], [block.name for block in blocks])
    return phases, json.loads(charts.plan(phases, blocks, new).to_json())


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_plan_is_cool_where_frozen_and_warm_where_it_learns(name: str) -> None:
    phases, figure = drawn(name)
    for phase, bar in zip(phases, figure["data"], strict=True):
        for block, colour in zip(bar["y"], bar["marker"]["color"], strict=True):
            few = phase.only != "weights" and block != "head"  # of which a stripe is warm
            assert (colour == charts.FROZEN) == (block not in phase.learning or few)
    stripes = [own for own in figure["layout"].get("shapes", []) if own.get("fillcolor")]
    assert len(stripes) == sum(len(phase.learning) - 1 for phase in phases if phase.only != "weights")
    assert sum(bar["x"][0] for bar in figure["data"]) == SPECS[name].epochs


def test_each_block_of_a_plan_says_its_own_rate_and_what_of_it_learns() -> None:
    (bar,) = drawn("discriminative")[1]["data"]
    assert bar["text"] == ["0.00057", "0.0015", "0.0038", "0.01"] and len(set(bar["marker"]["color"])) == 4
    (bar,) = drawn("bias_only")[1]["data"]
    assert bar["text"] == ["biases 0.01"] * 3 + ["0.01"]
    (bar,) = drawn("custom")[1]["data"]
    assert bar["text"] == ["0.001", "frozen", "frozen", "0.01"]


def test_what_is_not_borrowed_has_a_green_frame() -> None:
    def frames(*new: str) -> list[tuple[float, float]]:
        shapes = drawn("linear_probe", *new)[1]["layout"].get("shapes", [])
        return [(own["y0"], own["y1"]) for own in shapes if own["line"]["color"] == charts.NEW_HEAD]

    assert frames() == []
    assert frames("head") == [(2.54, 3.46)]
    assert frames("conv3", "head") == [(1.54, 3.46)]
    assert frames("conv1", "head") == [(-0.46, 0.46), (2.54, 3.46)]


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_thumbnail_has_a_cell_for_each_block_in_each_phase(name: str) -> None:
    names = [block.name for block in admission.blocks(SPECS[name])]
    phases = STRATEGIES[name].plan(SPECS[name], names)
    shapes = [*ElementTree.fromstring(charts.thumbnail(phases, names, names[-1:]))]
    cells = [own for own in shapes if own.get("stroke") is None and own.get("class") is None]
    colours = [own.get("fill") for own in cells]
    assert len(cells) == len(phases) * len(names)
    learning = sum(1 if phase.only != "weights" else len(phase.learning) for phase in phases)
    assert len(cells) - colours.count(charts.FROZEN) == learning
    parts = [own for own in shapes if own.get("class") == "part"]  # few numbers of a block: a narrow warm stripe
    assert len(parts) == sum(len(phase.learning) - 1 for phase in phases if phase.only != "weights")
    assert all(float(own.get("x", 0)) + float(own.get("width", 0)) <= 72 for own in cells)


def test_the_curve_of_the_rate_finder_marks_the_suggestion() -> None:
    figure = json.loads(charts.rate_curve([1e-4, 1e-3, 1e-2, 1e-1], [2.0, 1.5, 0.5, 3.0], 0.003).to_json())
    assert figure["layout"]["xaxis"]["type"] == "log"
    assert figure["layout"]["shapes"][0]["x0"] == 0.003
    assert figure["layout"]["annotations"][0]["text"] == "suggested: 0.003"


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
