"""How training pictures are shown: their size, random changes, and what is done about small classes."""

from __future__ import annotations

import streamlit as st

import ui
from panels import job
from tlcore import admission, artefacts, datasets, estimates, pictures, runs, words
from tlcore.spec import AUGMENTATIONS, BALANCES, RunSpec
from tlcore.strategies import STRATEGIES, arms

SIZES = (8, 16, 28, 32, 48, 64, 96, 128, 160, 192, 224, 256, 299)
VIEWS = (0, 2, 5, 10)
"""Numbers of changed versions to choose from; 0 for new ones in every epoch."""
LOOK = "look at the changes"


def settings() -> None:
    card = datasets.dataset(ui.draft().dataset)
    with st.expander("Examples", icon=":material/photo_library:", key="examples"):
        first, second = st.columns(2)
        if card.is_image:
            fitting = admission.resolved(ui.draft()).image_size or card.side
            first.selectbox(
                "Size of the pictures", SIZES, index=None, placeholder=f"what suits: {fitting} px",
                format_func=lambda size: f"{size} px", **ui.field("image_size"),
                help="The side to which pictures are brought before the network sees them. Twice the side is four "
                "times the work.",
            )  # fmt: skip
        second.selectbox(
            "Classes with few examples", list(BALANCES), format_func=BALANCES.__getitem__, **ui.field("balance"),
            help="Class weights count a rare class's mistakes more; balanced sampling shows it more often.",
        )  # fmt: skip
        if card.is_image:
            changes(card)
        if ui.draft().strategy != "scratch":
            st.toggle(
                "Start the input layer anew", **ui.field("new_input"),
                help="The first layer is not copied from the source: for pictures of another kind, such as x-rays.",
            )  # fmt: skip


def versions() -> None:
    """Whether the frozen part sees a few changed versions of each picture once, or new ones in every epoch."""
    offered = sorted({*VIEWS, ui.draft().views})
    st.segmented_control(
        "Changed versions of each picture", offered, required=True, **ui.field("views"),
        format_func=lambda views: f"keep {views}" if views else "new ones in every epoch",
        help="Kept ones pass the frozen blocks once, before the training; it then goes on as fast as without any "
        "changes. New ones in every epoch differ more, and pass the frozen blocks in every step.",
    )  # fmt: skip
    said = "The changes are made while training only, and are no part of the model. "
    if not admission.possible(ui.draft()):
        st.caption(said)
        return
    spec = ui.draft()
    blocks = admission.blocks(spec)
    plan = next(iter(arms(spec, [block.name for block in blocks]).values()))
    frozen = [phase for phase in plan if blocks[0].name not in phase.learning]
    if not frozen:
        said += f"With {STRATEGIES[spec.strategy].title} nothing stays frozen, so new ones are made in every epoch."
    elif spec.views:
        said += f"In force: {spec.views} versions are kept, {spec.views} times the work of looking at each picture once"
        said += (
            "." if len(frozen) == len(plan) else ", while the first blocks are frozen; then new ones in every epoch."
        )
    else:
        said += "In force: new ones in every epoch, so the frozen blocks run in every step."
    st.caption(said + cost(spec, frozen != []))


def cost(spec: RunSpec, choice: bool) -> str:
    """What both ways would take, where this computer was measured."""
    if not choice or not (known := estimates.kept(estimates.question(spec))):
        return ""
    alone = spec.revised(control=False)
    kept, anew = (
        words.duration(estimates.whole(alone.revised(views=views), known).seconds) for views in (spec.views or 5, 0)
    )
    return f" About {kept} with {spec.views or 5} kept, {anew} with new ones, without the control (an estimate)."


def changes(card: datasets.Dataset) -> None:
    """Random changes of training pictures, and a look at them on the person's own."""
    chosen = st.pills(
        "Random changes of training pictures", list(AUGMENTATIONS), selection_mode="multi",
        format_func=AUGMENTATIONS.__getitem__, **ui.field("augmentation", list),
        help="Each time a picture is shown it looks a little different, so few pictures go further. Choose only "
        "changes that leave the class as it is: a mirrored b is a d.",
    )  # fmt: skip
    if not chosen:
        return
    versions()
    wanted = {"dataset": ui.draft().dataset, "augmentation": sorted(chosen)}
    if st.button("Look at them", icon=":material/visibility:"):
        ui.remember(LOOK, wanted)
        job.begin(runs.PREVIEW, "", **wanted)
    if ui.recall(LOOK) == wanted and (shown := job.latest(runs.PREVIEW, wanted)):
        before, rounds = artefacts.preview(shown)  # in the dataset's scale, and (rounds, n, ...) from 0 to 255
        columns = zip(before * (255 / card.scale), *rounds, strict=True)
        st.image(
            pictures.grid([list(column) for column in columns], 255),
            caption="Each column: the picture, and four ways in which it may be shown.", width="stretch",
        )  # fmt: skip
