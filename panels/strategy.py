"""The strategies by group: each with its sentence, its plan as a small picture, and its paper."""

from __future__ import annotations

import re
from html import escape
from urllib.parse import quote

import streamlit as st

import ui
from panels import ladder
from tlcore import admission, charts
from tlcore.architectures import related
from tlcore.networks import Block
from tlcore.sources import NONE, source
from tlcore.spec import Refused, RunSpec
from tlcore.strategies import STRATEGIES, Strategy

GROUPS = tuple(dict.fromkeys(strategy.group for strategy in STRATEGIES.values()))
ABOUT = {
    "First choices": "Four to begin with.",
    "Rates by depth": "What stands near the picture is general and moves slowly; what stands near the answer moves "
    "fast.",
    "Few numbers learn": "Nearly all that was borrowed stays; a few numbers in every block adapt it.",
    "Held by the source": "Everything may learn, and something of the source holds it back.",
    "By hand": "You say which blocks learn.",
    "To compare with": "Not meant to win: they show what borrowing is worth, and how far up it helps.",
}
"""What a group has in common."""
_OPEN = "open group of strategies"


def choose_strategy() -> None:
    """One strategy, from its group."""
    borrows = ui.draft().source != NONE
    st.markdown(
        "**Freezing strategy**",
        help="A network is a row of blocks, from the picture or the row of a table to the answer. What is borrowed is "
        "its body; the last block, the head, gives the answer and is made new for your classes. A frozen block stays "
        "as it was borrowed; one that learns changes with your examples.",
    )
    if borrows:
        group = _group()
        st.caption(ABOUT.get(group, ""))
        offered = [own for own in STRATEGIES.values() if own.group == group]
    else:
        st.caption("Without a source there is one way: random weights, and everything learns.")
        offered = [own for own in STRATEGIES.values() if own.copies == "nothing"]
    st.html("<style>.st-key-strategies button {text-align: left; justify-content: flex-start}</style>")
    with st.container(gap="xsmall", key="strategies"):
        for strategy in offered:
            _card(strategy)


def _group() -> str:
    """The group that is open: that of the chosen strategy until the person opens another."""
    chosen = ui.draft().strategy
    seen, opened = ui.recall(_OPEN) or ("", "")
    group = opened if seen == chosen else STRATEGIES[chosen].group
    picked = st.pills("Kind of strategy", GROUPS, required=True, label_visibility="collapsed",
                      **ui.shown("group of strategies", group))  # fmt: skip
    ui.remember(_OPEN, (chosen, picked or group))
    return picked or group


def _card(strategy: Strategy) -> None:
    asked, chosen = _asked(strategy), ui.draft().strategy == strategy.name
    reason = "" if chosen else _reason(asked)
    with st.container(horizontal=True, border=True, gap="small", vertical_alignment="center", wrap=False,
                      key=f"strategy {strategy.name}"):  # fmt: skip
        st.html(_picture(asked, strategy), width=76)
        with st.container(gap=None):
            st.button(
                f"**{strategy.title}**", key=f"choose {strategy.name}", type="tertiary", disabled=bool(reason),
                icon=f":material/radio_button_{'' if chosen else 'un'}checked:", on_click=_choose, args=(strategy,),
            )  # fmt: skip
            if reason:
                st.caption(f":material/block: {reason}")
            else:
                st.caption(f"{strategy.sentence} *{strategy.when}*{_paper(strategy.reference)}")


def _asked(strategy: Strategy) -> RunSpec:
    """The question with this strategy as it would be after a click on it."""
    spec = ui.draft().revised(strategy=strategy.name)
    if strategy.copies == "nothing":
        return spec.revised(source=NONE, control=False)
    if spec.source == NONE:
        return spec
    origin = source(spec.source)
    # A student may be another network than its teacher; whoever copies weights needs the network that they fit.
    if strategy.copies != "teacher" and origin.network and spec.network and not related(spec.network, origin.network):
        spec = spec.revised(network=None)
    return ladder.begun(spec, ui.draft()) if strategy.name == "custom" else spec


def _choose(strategy: Strategy) -> None:
    if strategy.copies == "nothing" and ui.draft().source != NONE:
        ui.borrow_from(NONE)
    else:
        beside = tuple(st.session_state.get("side_by_side", ()))
        seeds = st.session_state.get("seeds", 1)
        ui.replace(_asked(strategy), beside)
        st.session_state["seeds"] = seeds


def _reason(asked: RunSpec) -> str:
    """Why this is not possible with the present source and network, if the strategy is what stands in the way."""
    try:
        admission.admit(asked)
    except Refused as error:
        for problem in error.problems:
            # The others are said at Start, and can be mended there.
            if problem.field in ("strategy", "source", "network"):
                return f"Not here: it takes {ui.plain(problem.expected)}."
    return ""


def _picture(asked: RunSpec, strategy: Strategy) -> str:
    """The plan as an image of a few hundred bytes; nothing where the choices do not fit together yet."""
    try:
        blocks = admission.blocks(asked)
        names = [block.name for block in blocks]
        drawn = charts.thumbnail(strategy.plan(asked, names), names, new(asked, blocks))
    except ValueError:  # a picture too small for the network, say: it is refused in words
        return ""
    said = escape(f"Plan of {strategy.title}", quote=True)
    return f'<img alt="{said}" width="72" height="54" src="data:image/svg+xml,{quote(drawn)}">'


def new(spec: RunSpec, blocks: tuple[Block, ...]) -> tuple[str, ...]:
    """The blocks that begin from random weights."""
    names = tuple(block.name for block in blocks)
    match STRATEGIES[spec.strategy].copies:
        case "nothing" | "teacher":
            return names
        case "first":
            return names[spec.blocks :]
        case "all":
            return ()
    return names[-1:]


def _paper(reference: str) -> str:
    """A link to a strategy's paper."""
    name, _, place = reference.rpartition(", ")
    number = re.fullmatch(r"(arXiv|doi):(.+)", place)
    if not number:
        return ""
    kind, which = number.groups()
    address = f"https://arxiv.org/abs/{which}" if kind == "arXiv" else f"https://doi.org/{which}"
    return f" [{ui.plain(name)}]({address})"


def choose_beside() -> None:
    """Other strategies, to be tried on the same examples."""
    if ui.draft().source == NONE:
        return
    present = ui.draft().strategy
    others = [name for name, own in STRATEGIES.items() if name != present and own.copies != "nothing"]
    others = [name for name in others if name != "custom" or ui.draft().plan]
    chosen = st.session_state.get("side_by_side", ())  # what was possible once is refused in words, at Start
    others = [name for name in others if name in chosen or not _reason(ui.draft().revised(strategy=name))]
    st.multiselect(
        "Try side by side with", others, format_func=lambda name: STRATEGIES[name].title,
        placeholder="another strategy, if you like", **ui.remembered("side_by_side", []),
        help="Each is a run of its own on the same examples; the results are shown together.",
    )  # fmt: skip
