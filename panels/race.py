"""Setting up a race: who runs, on what, and how often."""

from __future__ import annotations

import streamlit as st

import ui
from panels.source import suits
from tlcore import admission, datasets, races
from tlcore.races import ENOUGH, SEEDS, Race
from tlcore.sources import NONE, everything
from tlcore.spec import OPTIMIZERS, Problem, Refused, RunSpec
from tlcore.strategies import STRATEGIES
from tlcore.words import count, epochs

WHAT = {races.RACE: "Which strategy works best?", races.SWEEP: "How far does borrowed knowledge carry?"}
ABOUT = {
    races.RACE: "Every strategy learns from the same examples, again and again with other splits and other random "
    "weights, so that luck can be told from skill.",
    races.SWEEP: "A network is a chain of blocks: the first ones see simple things, edges say, the last ones what the "
    "network was made for. Copy only the first few, start the rest anew, and see how far the borrowed knowledge "
    "carries: once with the copied blocks kept as they are, once with all of them learning on.",
}


def propose(source: str) -> None:
    """Have the form set up a race with this source."""
    ui.remember("race sources", [source])
    ui.open_race("")


def set_up() -> None:
    """The form: what to find out, who races, how often; problems, and Start."""
    left, right = st.columns([3, 2], gap="large")
    with left:
        on_what()
        kind = st.segmented_control(
            "What do you want to find out?", list(WHAT), format_func=WHAT.__getitem__, required=True,
            **ui.remembered("race kind", races.RACE),
        )  # fmt: skip
        st.caption(ABOUT[kind or races.RACE])
        sources = whom(one=kind == races.SWEEP)
        strategies = who() if kind == races.RACE else []
    with right:
        seeds = how_often()
        halving = kind == races.RACE and st.toggle(
            "Let the losers leave early", **ui.remembered("race halving", False),
            help="After 1, 2, 4, … seeds the worse half leaves, judged by validation examples, never by the test. "
            "Every run that starts is trained to its end.",
        )  # fmt: skip
        start(kind or races.RACE, strategies, sources, seeds, halving)


def on_what() -> None:
    """Data, amount and settings in one line, as they were chosen on the pages for that."""
    spec = ui.draft()
    card, amount = datasets.dataset(spec.dataset), spec.samples_per_class
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(
            f"On **{ui.plain(card.title)}**, {f'{count(amount)} {card.unit} a class' if amount else 'all examples'}",
            width="content",
        )
        if st.button("Change", type="tertiary", icon=":material/tune:", help="On the page Strategy."):
            ui.go("strategy")
    st.caption(
        f"{epochs(spec.epochs)}, {OPTIMIZERS[spec.optimizer]} at {spec.learning_rate:g}, batches of {spec.batch_size}"
        + (", pictures changed at random" if spec.augmentation else "")
    )


def whom(one: bool) -> list[str]:
    """The sources to borrow from."""
    offered = {own.name: own.title for own in everything() if own.kind != NONE and suits(own)}
    usual = [ui.draft().source] if ui.draft().source in offered else [*offered][:1]
    if not offered:
        st.info(
            "No network that is known here takes data like this. Train one from scratch first: a finished run can be "
            "borrowed from.", icon=":material/lightbulb:",
        )  # fmt: skip
        return []

    def called(name: str) -> str:
        return offered.get(name, name)

    if one:
        last = ui.recall("sweep source")
        at = list(offered).index(last if last in offered else usual[0])
        chosen = st.selectbox("Borrow from", list(offered), format_func=called, index=at)
        ui.remember("sweep source", chosen)
        return [chosen] if chosen else []
    kept = [name for name in ui.recall("race sources") or () if name in offered] or usual
    several = st.multiselect(
        "Borrow from", list(offered), default=kept, format_func=called, key=f"race sources {hash(tuple(offered))}",
        placeholder="a network, or several", help="With several, each strategy races with each of them.",
    )  # fmt: skip
    ui.remember("race sources", several)
    return several


def who() -> list[str]:
    """The strategies that race, chosen by group; what each does is said once it is chosen."""
    usual = [name for name in races.USUAL if name in STRATEGIES]
    groups: dict[str, list[str]] = {}
    for name, own in STRATEGIES.items():
        if own.copies != "nothing" and (name != "custom" or ui.draft().plan):
            groups.setdefault(own.group, []).append(name)
    chosen: list[str] = []
    first, *others = groups
    chosen += _pills(first, groups[first], usual)
    with st.expander("More strategies"):
        for group in others:
            chosen += _pills(group, groups[group], usual)
    st.caption("From scratch runs along with every one of them: it is what the gain is measured against.")
    return chosen


def _pills(group: str, names: list[str], usual: list[str]) -> list[str]:
    chosen: list[str] = st.pills(
        group, names, selection_mode="multi", format_func=lambda name: STRATEGIES[name].title,
        **ui.remembered(f"race {group}", [name for name in names if name in usual]),
    )  # fmt: skip
    for name in chosen:
        st.caption(f"**{STRATEGIES[name].title}**: {STRATEGIES[name].sentence}")
    return chosen


def how_often() -> int:
    """Over how many seeds, and why six."""
    seeds: int = st.segmented_control(
        "Seeds", list(SEEDS), required=True, **ui.remembered("race seeds", ENOUGH),
        format_func=lambda n: f"{n} seeds",
        help="A seed decides which examples are learnt from and which are kept for the test, and the random weights.",
    )  # fmt: skip
    if seeds < ENOUGH:
        st.caption("A first look. The same winner every time could still be chance: six seeds are needed to say more.")
    else:
        number, all_of_them = ("six", ", if all six point the same way") if seeds == ENOUGH else (seeds, "")
        st.caption(f"With {number} seeds a difference can be told from chance{all_of_them}.")
    return seeds


def raced(kind: str, strategies: list[str], sources: list[str], seeds: int, halving: bool) -> Race | None:
    """The race that the form describes; None where the draft itself cannot be."""
    spec = ui.draft()
    own = range(spec.seed, spec.seed + seeds)
    if kind == races.RACE:
        return races.between(spec, strategies, sources, own, halving=halving)
    chosen = sources[0] if sources else NONE
    if chosen != spec.source:
        spec = spec.revised(source=chosen, network=None, image_size=None)
    try:
        return races.sweep(spec.revised(strategy=races.TUNED, blocks=1), own)
    except (Refused, LookupError):
        return None


def start(kind: str, strategies: list[str], sources: list[str], seeds: int, halving: bool) -> None:
    """How many runs it takes, what stands in the way, and Start."""
    race = raced(kind, strategies, sources, seeds, halving)
    problems: tuple[Problem, ...] = ()
    if race is None or not sources:
        problems = (Problem("source", "nothing", "a network to borrow from", "choose one"),)
    else:
        problems = tuple(race.problems())
        meaning(race, len(sources))
    with st.container():  # always there: what is below must not change places when something is refused
        refused(problems)
    label = f"Start {count(race.total)} runs" if race and not problems else "Start"
    if (
        st.button(label, type="primary", icon=":material/flag:", disabled=bool(problems), width="stretch",
                  key="start race") and race
    ):  # fmt: skip
        ui.open_race(races.order(race))
        st.rerun()


def refused(problems: tuple[Problem, ...]) -> None:
    """The first few problems; many of a race are one and the same for several strategies."""
    ui.refusals(problems[:4])
    if len(problems) > 4:
        st.caption(f"and {len(problems) - 4} more")


def meaning(race: Race, sources: int) -> None:
    """The number of runs, and where it comes from."""
    if not race.competitors:
        return
    n = len(race.seeds)
    if race.kind == races.SWEEP:
        depth = len(race.competitors) // 2
        by = f"{depth} depths × frozen or learning on × {n} seeds"
    else:
        strategies = len(race.competitors) // max(1, sources)
        by = f"{strategies} strateg{'y' if strategies == 1 else 'ies'} × "
        by += f"{sources} source{'s' * (sources != 1)} × {n} seeds"
    st.metric("Runs", count(race.total), help="Each is a run of its own, with its model and its page of results.")
    st.caption(by + (f"; {count(len(race.questions))} if nobody left early" if race.halving else ""))
    st.caption(
        "One after the other, on this computer, whether or not this page is open. The training from scratch that all "
        "are measured against is done once for each network and seed, and runs that are there already are taken."
    )


def blocks(spec: RunSpec) -> list[str]:
    """The names of the body's blocks; none where dataset or source are gone."""
    try:
        return [block.name for block in admission.blocks(spec)][:-1]
    except (Refused, LookupError):
        return []
