"""The plan before anything runs: its picture, its phases in numbers, and what they will cost here."""

from __future__ import annotations

import pandas as pd
import streamlit as st

import ui
from panels import job
from panels.strategy import new
from tlcore import admission, charts, estimates, runs, words
from tlcore.comparison import same_control
from tlcore.estimates import Measurement
from tlcore.networks import Block
from tlcore.spec import SCHEDULES, Phase, RunSpec
from tlcore.strategies import STRATEGIES, arms, told


def draw(spec: RunSpec) -> None:
    blocks = admission.blocks(spec)
    main = next(iter(arms(spec, [block.name for block in blocks]).values()))
    st.markdown("**The plan**, before anything runs")
    st.plotly_chart(
        charts.plan(main, blocks, new(spec, blocks)), key="plan", config={"displayModeBar": False},
        alt="; ".join(f"{p.name}: {words.epochs(p.epochs)}" for p in main),
    )  # fmt: skip
    copies = STRATEGIES[spec.strategy].copies
    framed = {"body": "a new head", "first": "begins from random weights", "all": ""}.get(copies, "random weights")
    st.markdown(
        ":blue[**blue**] stays frozen · :orange[**orange**] learns, stronger with the learning rate"
        + (" · **stripe** a few of its numbers learn" if any(phase.only != "weights" for phase in main) else "")
        + (f" · :green[**green frame**] {framed}" if framed else "")
    )
    _said(spec, main)
    _table(spec, main, blocks, measured(spec))


def _said(spec: RunSpec, plan: tuple[Phase, ...]) -> None:
    """What the picture does not show: the schedule, and what else is made small."""
    said = []
    schedules = dict.fromkeys(phase.schedule for phase in plan if phase.schedule != "constant")
    for name in schedules:
        said.append(f"Schedule of the rate within each phase: {SCHEDULES[name]}.")
    if any(phase.warm_up for phase in plan):
        said.append(f"It rises for the first {words.epochs(max(phase.warm_up for phase in plan))} of each phase.")
    objective = STRATEGIES[spec.strategy].objective
    said += {
        "l2_sp": [f"A pull of strength {spec.pull:g} draws borrowed weights back to the source's."],
        "multi_task": [f"The source's own task counts {spec.source_weight:g} beside yours."],
        "distil": [f"Seeing as the teacher sees counts {spec.teacher_weight:g} beside your labels."],
    }.get(objective, [])
    if said:
        st.caption(" ".join(said))


def _table(spec: RunSpec, plan: tuple[Phase, ...], blocks: tuple[Block, ...], known: Measurement | None) -> None:
    phases = [told(phase, blocks, spec.lora_rank) for phase in plan]
    columns: dict[str, list[str | int]] = {
        "phase": [f"{phase['name']}, {words.epochs(phase['epochs'])}" for phase in phases],
        "learning rate": [_rates(phase) for phase in plan],
        # Elsewhere the phases' names say it.
        **({"what learns": [_learning(phase, blocks) for phase in plan]} if spec.strategy == "custom" else {}),
        "trainable": [phase["trainable_parameters"] for phase in phases],
    }
    if known:
        costs = estimates.of(spec, plan, blocks, known, estimates.sizes(spec))
        columns["time"] = [words.duration(cost.seconds) for cost in costs]
        if "what learns" not in columns:  # else there is no room; what all of it takes is said below
            columns["memory"] = [f"{cost.bytes / 1e9:.1f} GB" for cost in costs]
    st.dataframe(
        pd.DataFrame(columns), hide_index=True,
        column_config={
            "phase": st.column_config.TextColumn(help="An epoch is a pass over the training examples"),
            "learning rate": st.column_config.TextColumn("rate", help="The learning rate: the size of a step"),
            "trainable": st.column_config.NumberColumn(
                "parameters", format="compact",
                help="Numbers of the network that change in this phase, of "
                f"{words.count(sum(block.parameters for block in blocks))}; all others stay as they are"),
            "time": st.column_config.TextColumn("≈ time", help="Estimated, on this computer"),
            "memory": st.column_config.TextColumn(
                "≈ memory", help="Estimated peak of the engine, TensorFlow included"),
        },
    )  # fmt: skip
    if told_of := _normalisation(plan, blocks):
        st.caption(
            told_of,
            help="By which averages it normalises: those of what the source has seen, or those of the new data, which "
            "it then learns. Frozen blocks always keep the source's.",
        )


def _normalisation(plan: tuple[Phase, ...], blocks: tuple[Block, ...]) -> str:
    """What becomes of batch normalisation's statistics, phase by phase where they differ."""
    said: dict[str, list[str]] = {}
    for phase in plan:
        if how := _statistics(phase, blocks):
            said.setdefault(how, []).append(phase.name)
    if len(said) < 2:
        return "".join(f"Batch normalisation {how}." for how in said)
    return f"Batch normalisation: {'; '.join(f'in {_listed(names)} it {how}' for how, names in said.items())}."


def _listed(names: list[str]) -> str:
    """``“head”``, or how many there are where nobody would read them all."""
    own = list(dict.fromkeys(names))
    quoted = " and ".join(f"“{ui.plain(name)}”" for name in own)
    return quoted if len(own) < 3 else f"{len(names)} phases"


def _rates(phase: Phase) -> str:
    rates = phase.rates().values()
    low, high = f"{min(rates):.2g}", f"{max(rates):.2g}"
    return low if low == high else f"{low} to {high}"


def _learning(phase: Phase, blocks: tuple[Block, ...]) -> str:
    names = [block.name for block in blocks]
    body = [name for name in phase.learning if name != names[-1]]
    if not body:
        return "the head"
    which = "everything" if len(body) == len(names) - 1 else body[0] if len(body) == 1 else _range(body, names)
    head = "" if which == "everything" else " and the head" if names[-1] in phase.learning else ""
    only = {"weights": "", "biases": ": biases", "norms": ": normalisations", "adapters": ": adapters"}[phase.only]
    return f"{which}{head}{only}"


def _range(body: list[str], names: list[str]) -> str:
    first, last = names.index(body[0]), names.index(body[-1])
    return f"{body[0]} to {body[-1]}" if last - first + 1 == len(body) else ", ".join(body)


def _statistics(phase: Phase, blocks: tuple[Block, ...]) -> str:
    """Which statistics batch normalisation goes by in a phase; nothing where the body has none."""
    body = [block for block in blocks[:-1] if "moving_mean" in block.variables]
    kept = [phase.keeps_statistics(block.name) for block in body]
    if not body:
        return ""
    if all(kept):
        return "keeps the source's statistics"
    if not any(kept):
        return "learns the new data's statistics"
    return "keeps the source's statistics in frozen blocks and learns the new data's in the others"


def measured(spec: RunSpec) -> Measurement | None:
    """What was measured of this network on this computer, if it was."""
    return estimates.kept(estimates.question(spec))


def cost(spec: RunSpec, count: int) -> None:
    """How long the run will take, near Start; or a button that measures it."""
    asked = estimates.question(spec)
    if known := estimates.kept(asked):
        borrows = STRATEGIES[spec.strategy].copies != "nothing" and spec.control
        ready = borrows and same_control(admission.resolved(spec), runs.all_runs()) is not None
        whole = estimates.whole(spec.revised(control=spec.control and not ready), known)
        control = ", with the control" if borrows and not ready else ""
        control = "; the control is known already" if ready else control
        st.caption(
            f":material/schedule: About **{rough(whole.seconds)}** and {whole.bytes / 1e9:.1f} GB of memory on this "
            f"computer{control}{' (each run)' if count > 1 else ''}. An estimate."
        )
        return
    job.offer(
        runs.MEASURE, f"{asked['network']} {asked['input_shape']} {asked['device']}",
        "Estimate the time on this computer", ":material/speed:", **asked,
    )  # fmt: skip


def rough(seconds: float) -> str:
    """A time as an estimate should be told: ``2 min``, not ``2 min 07 s``."""
    if seconds < 10:
        return f"{max(1, round(seconds))} s"
    if seconds < 60:
        return f"{round(seconds / 5) * 5} s"
    return f"{round(seconds / 60)} min" if seconds < 3600 else words.duration(round(seconds / 600) * 600)
