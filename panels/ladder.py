"""A plan by hand: a ladder of blocks on which each cell is clicked frozen or learning, phase by phase."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from html import escape

import streamlit as st

import ui
from tlcore import admission, charts
from tlcore.spec import RANGES, Phase, RunSpec
from tlcore.strategies import STRATEGIES, Plan

BRUSHES = (1.0, 0.3, 0.1, 0.03, 0.01)
"""What a click gives a block: its share of the phase's learning rate."""
MOST = 8
"""Phases that the ladder shows side by side."""
_UNDONE, _BRUSH, _ANEW = "ladder before", "ladder brush", "ladder anew"


def begun(spec: RunSpec, before: RunSpec) -> RunSpec:
    """The question with a plan by hand: its own where that fits the network, else what ``before`` had chosen."""
    try:
        names = [block.name for block in admission.blocks(spec)]
    except ValueError:
        return spec
    if spec.plan and all(name in names for phase in spec.plan for name in phase.learning):
        return spec
    for name in (before.strategy, "lp_ft"):
        if name != "custom" and (plan := offered(spec, names).get(name)):
            return spec.revised(plan=plan)
    return spec


def offered(spec: RunSpec, names: Sequence[str]) -> dict[str, Plan]:
    """Other strategies' plans that the ladder can show: whole blocks learn, in few phases."""
    plans = {
        name: own.plan(spec, names)
        for name, own in STRATEGIES.items()
        if own.copies == "body" and own.objective == "labels" and name != "custom"
    }
    return {
        name: tuple(dataclasses.replace(phase, schedule="constant", warm_up=0) for phase in plan)
        for name, plan in plans.items()
        if len(plan) <= MOST and all(phase.only == "weights" and phase.epochs for phase in plan)
    }


def draw() -> None:
    """The ladder of the draft's plan. Every change goes to the draft at once."""
    try:
        names = [block.name for block in admission.blocks(ui.draft())]
    except ValueError:
        return
    suited = begun(ui.draft(), ui.draft())
    if suited.plan != ui.draft().plan:
        if ui.draft().plan:
            ui.remember(_ANEW, True)
        _put(suited.plan, undo=False)
    if ui.recall(_ANEW):
        st.info("This network has other blocks: the ladder was begun anew for them.", icon=":material/restart_alt:")
    _tools(names)
    _look(names, ui.draft().plan)
    with st.container(key="ladder"):
        plan = ui.draft().plan
        columns = st.columns([0.9, *[1.0] * len(plan)], gap="xxsmall", wrap=False)
        with columns[0].container(gap=None):
            _names(names)
        for number, column in enumerate(columns[1:]):
            with column.container(gap=None):
                _phase(number, plan[number], names)


def _tools(names: Sequence[str]) -> None:
    """What to begin from, undo, another phase, and the brush."""
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        with st.popover("Begin from", icon=":material/content_paste_go:"):
            for name, plan in offered(ui.draft(), names).items():
                st.button(
                    STRATEGIES[name].title, key=f"begin from {name}", type="tertiary", on_click=_put, args=(plan,)
                )
        st.button("Add a phase", icon=":material/add:", on_click=_twice, args=(len(ui.draft().plan) - 1,),
                  disabled=len(ui.draft().plan) >= MOST, help="Like the last one, to be changed.")  # fmt: skip
        st.button("Undo", icon=":material/undo:", on_click=_undo, disabled=not ui.recall(_UNDONE))
    st.segmented_control(
        "A click lets a block learn at", BRUSHES, format_func=lambda share: f"× {share:g}", required=True,
        **ui.shown(_BRUSH, ui.recall(_BRUSH) or 1.0),
        on_change=lambda: ui.remember(_BRUSH, st.session_state[f"field {_BRUSH}"]),
        help="Times the phase's learning rate. A second click freezes the block again.",
    )  # fmt: skip


def _names(names: Sequence[str]) -> None:
    """The rows' names, as high as the cells beside them."""
    rows = "".join(f"<div>{escape(name)}</div>" for name in reversed(names))
    st.html(f'<div class="ladder-names">{rows}</div>')


def _phase(number: int, phase: Phase, names: Sequence[str]) -> None:
    """A column: its cells, output above as in the plan's picture, and below them what holds for all of it."""
    factors = dict(zip(phase.learning, phase.factors or (1.0,) * len(phase.learning), strict=True))
    for row, name in reversed([*enumerate(names)]):
        own = factors.get(name)
        st.button(
            "frozen" if own is None else f"× {own:.2g}", key=f"cell {number} {row}", width="stretch", wrap=False,
            on_click=_click, args=(number, name, names),
        )  # fmt: skip
    with st.container(gap="xxsmall"):
        _text(number, phase)
        _count(number, phase, "epochs", "Epochs", 1, None)
        _count(number, phase, "learning_rate", "Learning rate", 1e-4, "%.3g")
        with st.container(horizontal=True, gap="xxsmall"):
            st.button("", icon=":material/content_copy:", key=f"copy {number}", type="tertiary", help="Once more",
                      on_click=_twice, args=(number,), disabled=len(ui.draft().plan) >= MOST)  # fmt: skip
            st.button("", icon=":material/delete:", key=f"remove {number}", type="tertiary", help="Take it away",
                      on_click=_remove, args=(number,), disabled=len(ui.draft().plan) < 2)  # fmt: skip


def _tied(number: int, field: str) -> tuple[str, Callable[[], None]]:
    """The key of a phase's widget, which shows the plan's value, and what takes a new one over."""
    key = f"field ladder {number} {field}"
    st.session_state[key] = getattr(ui.draft().plan[number], field)

    def take() -> None:
        _put(_with(ui.draft().plan, number, **{field: st.session_state[key]}))

    return key, take


def _text(number: int, phase: Phase) -> None:
    key, take = _tied(number, "name")
    st.text_input("Name", key=key, on_change=take, max_chars=60)


def _count(number: int, phase: Phase, field: str, label: str, step: float, form: str | None) -> None:
    key, take = _tied(number, field)
    kind, least, most = RANGES[field]
    st.number_input(label, kind(least), kind(most), step=kind(step), format=form, key=key, on_change=take)


def _click(number: int, name: str, names: Sequence[str]) -> None:
    """Give a block the brush's share, or freeze it where it has that already. One block always learns."""
    phase, brush = ui.draft().plan[number], ui.recall(_BRUSH) or 1.0
    factors = dict(zip(phase.learning, phase.factors or (1.0,) * len(phase.learning), strict=True))
    if factors.get(name) == brush:
        del factors[name]
    else:
        factors[name] = brush
    if not factors:
        st.toast("Something has to learn in every phase.", icon=":material/lightbulb:")
        return
    learning = tuple(own for own in names if own in factors)
    shares = tuple(factors[own] for own in learning)
    _put(_with(ui.draft().plan, number, learning=learning, factors=() if set(shares) == {1.0} else shares))


def _twice(number: int) -> None:
    plan = ui.draft().plan
    _put((*plan[: number + 1], plan[number], *plan[number + 1 :]))


def _remove(number: int) -> None:
    plan = ui.draft().plan
    _put((*plan[:number], *plan[number + 1 :]))


def _with(plan: Plan, number: int, **changes: object) -> Plan:
    changed = dataclasses.replace(plan[number], **changes)  # type: ignore[arg-type]
    return (*plan[:number], changed, *plan[number + 1 :])


def _put(plan: Plan, undo: bool = True) -> None:
    """Make this the draft's plan; the one before can be had back."""
    if undo:
        ui.remember(_UNDONE, (*(ui.recall(_UNDONE) or ()), ui.draft().plan)[-50:])
        ui.remember(_ANEW, False)
    else:  # of another network: nothing of before can be had back
        ui.remember(_UNDONE, ())
    ui.revise(plan=plan)


def _undo() -> None:
    *earlier, last = ui.recall(_UNDONE)
    ui.remember(_UNDONE, tuple(earlier))
    ui.revise(plan=last)


_HIGH = "1.9rem"
"""Of a row."""


def _look(names: Sequence[str], plan: Plan) -> None:
    """The cells' colours, those of the plan's picture, and rows that stand close."""
    highest = max(rate for phase in plan for rate in phase.rates().values())
    rules = list[str]()
    for number, phase in enumerate(plan):
        rates = phase.rates()
        for row, name in enumerate(names):
            ground = charts.warm(rates[name], highest) if name in rates else charts.FROZEN
            ink = "#2b1200" if name in rates else "#0c2d4d"
            edge = f"box-shadow: inset 0 0 0 3px {charts.NEW_HEAD};" if row == len(names) - 1 else ""
            colours = f"background: {ground} !important; color: {ink} !important"  # under the mouse, too
            rules.append(f".st-key-cell-{number}-{row} button {{{colours}; {edge}}}")
    st.html(
        f"""<style>
.st-key-ladder [data-testid=stHorizontalBlock] {{overflow-x: auto}}
.st-key-ladder [data-testid=stColumn] {{min-width: 5.2rem}}
.st-key-ladder [class*=st-key-cell-] button {{min-height: 0; height: {_HIGH}; padding: 0 .2rem; border-radius: 0;
  border: 1px solid rgba(255, 255, 255, .55)}}
.st-key-ladder [class*=st-key-cell-] button p {{font-size: .78rem}}
.st-key-ladder [class*=st-key-cell-] button:hover {{filter: brightness(1.08)}}
.st-key-ladder [data-testid=stTextInput] {{margin-top: .6rem}}
.st-key-ladder .ladder-names div {{height: {_HIGH}; line-height: {_HIGH}; font-size: .8rem; text-align: right;
  padding-right: .4rem; white-space: nowrap; overflow: hidden; text-overflow: ellipsis}}
{"".join(rules)}
</style>"""
    )
