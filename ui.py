"""The only door to the browser session: the draft, the open run, and the frame that every page stands in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import streamlit as st
from streamlit.errors import StreamlitPageNotFoundError
from streamlit.runtime.pages_manager import PagesManager

from tlcore import runs, worker
from tlcore.admission import admit
from tlcore.catalogue import UnknownName
from tlcore.database import DamagedHome
from tlcore.datasets import dataset
from tlcore.events import Story
from tlcore.recipes import DEFAULT, RECIPES, Recipe, amounting, borrowing, budgeted, suited
from tlcore.runs import Run, UnknownRun
from tlcore.spec import Problem, Refused, RunSpec

LABELS = {
    "samples_per_class": "Examples a class to learn from",
    "evaluate_on": "Then also try it on",
    "blocks": "Blocks",
    "plan": "Your own plan",
    "first_block": "Which blocks learn",
    "warm_up": "Warm-up",
    "lora_rank": "Rank of the adapters",
    "lora_alpha": "Weight of the adapters",
    "views": "Changed versions of each picture",
    "validation_share": "Share for validation",
    "test_share": "Share for the test",
    "source": "Source network",
    "strategy": "Freezing strategy",
}
"""What the pages call a field of the question, where it is not just its name."""
BADGES = {
    runs.WAITING: ":gray-badge[:material/hourglass_empty: waiting]",
    runs.RUNNING: ":orange-badge[:material/sync: running]",
    "finished": ":green-badge[:material/check: finished]",
    "stopped": ":blue-badge[:material/stop_circle: stopped]",
    "failed": ":red-badge[:material/error: failed]",
    runs.LOST: ":red-badge[:material/link_off: lost]",
}
"""How a run's status is shown."""
_STYLE = """<style>
.stMainBlockContainer {padding-top: 4.5rem; max-width: 90rem; margin: 0 auto}
[data-testid=stButtonGroup] > div {flex-wrap: wrap}  /* or some choices are out of sight on a small screen */
[data-testid=stCaptionContainer] a {color: inherit}  /* or links are too pale to read there */
/* White on the light violet of the dark theme cannot be read. */
[data-testid=stBaseButton-primary]:not(:disabled), [data-testid=stMultiSelectTag] {color: light-dark(#fff, #1d1233)}
</style>"""
_WIDGET = "field "
"""What the keys of widgets that stand for a field of the draft begin with."""


@contextmanager
def page(title: str, about: str) -> Iterator[None]:
    """A page's heading and, when the home folder is damaged, what to do instead of a stack of errors."""
    _stand_in_the_frame()
    st.html(_STYLE)
    st.title(title, anchor=False)
    st.caption(about)
    try:
        yield
    except DamagedHome as error:
        st.error(f"**The list of runs cannot be read.** {error}.", icon=":material/broken_image:")
    except Refused as error:  # a run that a version with other fields was asked for
        refusals(error.problems)
    except UnknownName as error:  # a dataset, source or strategy that is gone
        st.error(f"{plain(str(error))}.", icon=":material/search_off:")
    except Exception:
        st.error(
            "**This page could not be drawn to its end.** No data and no run is lost: reload the page. The terminal of "
            "the server says what went wrong.", icon=":material/bug_report:",
        )  # fmt: skip
        raise


def _stand_in_the_frame() -> None:
    """See that ``app.py`` runs around this page.

    After a server's start, and until ``st.navigation`` has been called once, Streamlit takes a folder named ``pages``
    for a menu of its own: whoever comes first by a page's own address, a tab that reconnects say, gets the page alone.
    """
    newcomer = "framed" not in st.session_state
    st.session_state["framed"] = True
    if newcomer and getattr(PagesManager, "uses_pages_directory", False):
        PagesManager.uses_pages_directory = False
        st.rerun()


def plain(text: str) -> str:
    """A name that somebody typed, so that Markdown shows it as it is."""
    return re.sub(r"([\\`*_{}\[\]()#+\-.!|~$:<>&])", r"\\\1", text)


# The draft


def draft() -> RunSpec:
    """The question as this visitor has it so far; begun anew when its dataset is gone."""
    spec: RunSpec = st.session_state.setdefault("draft", RECIPES[DEFAULT].specs[0])
    try:
        dataset(spec.dataset)
    except UnknownName:
        st.toast("The chosen dataset is gone.", icon=":material/search_off:")
        take_recipe(RECIPES[DEFAULT])
        return RECIPES[DEFAULT].specs[0]
    return spec


def revise(**changes: Any) -> None:
    """Change fields of the draft."""
    st.session_state["draft"] = draft().revised(**changes)


def replace(spec: RunSpec, side_by_side: tuple[str, ...] = ()) -> None:
    """Begin anew from a whole question; the widgets follow."""
    st.session_state["draft"] = spec
    st.session_state["side_by_side"] = [name for name in side_by_side if name != spec.strategy]
    st.session_state["seeds"] = 1
    for key in [key for key in st.session_state if str(key).startswith(_WIDGET)]:
        del st.session_state[key]


def take_recipe(recipe: Recipe) -> None:
    """Begin anew from a recipe; its further questions differ by strategy and are asked side by side."""
    replace(recipe.specs[0], tuple(spec.strategy for spec in recipe.specs[1:]))


def choose_dataset(name: str) -> None:
    """Take another dataset, and what suits it where the present choice cannot.

    Of a person's own all examples are taken, or so many a class that a first run is over soon: what somebody has
    brought is meant to be used.
    """
    replace(budgeted(suited(amounting(draft().revised(evaluate_on=None), name))))


def learn_from(samples_per_class: int | None) -> None:
    """Take another amount of examples; the training settings follow, unless the person has set them otherwise."""
    if samples_per_class != draft().samples_per_class:
        untouched = budgeted(draft()) == draft()
        changed = draft().revised(samples_per_class=samples_per_class)
        st.session_state["draft"] = budgeted(changed) if untouched else changed


def borrow_from(source: str) -> None:
    """Take another source, and what goes with it."""
    replace(borrowing(draft(), source))


def field(name: str, shown: Callable[[Any], Any] = lambda value: value) -> dict[str, Any]:
    """Keyword arguments that tie a widget to a field of the draft, so that both always agree.

    Streamlit forgets a widget's value when its page is left; the draft remembers, and gives it back.
    """
    key = _WIDGET + name
    if key not in st.session_state:
        st.session_state[key] = shown(getattr(draft(), name))
    return {"key": key, "on_change": _take, "args": (name,)}


def _take(name: str) -> None:
    value = st.session_state[_WIDGET + name]
    revise(**{name: tuple(value) if isinstance(value, list) else value})


def shown(name: str, value: Any) -> dict[str, Any]:
    """Keyword arguments of a widget that follows ``value`` until the person changes it; then the page does."""
    key = _WIDGET + name
    if st.session_state.get(f"{key} was") != value or key not in st.session_state:
        st.session_state[key] = st.session_state[f"{key} was"] = value
    return {"key": key}


def remember(name: str, value: Any) -> None:
    """Keep a wish of this visitor that is no field of the question."""
    st.session_state[f"wish {name}"] = value


def recall(name: str) -> Any:
    return st.session_state.get(f"wish {name}")


def fresh(name: str) -> str:
    """The key of a widget that can be emptied by :func:`renew`: an uploader keeps its file in memory."""
    return f"{name} {st.session_state.get(f'fresh {name}', 0)}"


def renew(name: str) -> None:
    """Empty a widget."""
    st.session_state[f"fresh {name}"] = st.session_state.get(f"fresh {name}", 0) + 1


def wait_for(task: str, job: str | None) -> None:
    """Remember which job of a kind this visitor waits for; None for none any more."""
    st.session_state[f"job {task}"] = job


def waited_for(task: str) -> str | None:
    job: str | None = st.session_state.get(f"job {task}")
    return job


def remembered(name: str, default: Any) -> dict[str, Any]:
    """Keyword arguments that tie a widget to a wish of this visitor which is no field of the question."""
    key = _WIDGET + name
    if key not in st.session_state:
        st.session_state[key] = st.session_state.get(name, default)

    def take() -> None:
        st.session_state[name] = st.session_state[key]

    return {"key": key, "on_change": take}


def questions() -> list[RunSpec]:
    """All that Start asks: the draft, the strategies beside it, and each of them with every seed."""
    strategies = [draft().strategy, *(s for s in st.session_state.get("side_by_side", ()) if s != draft().strategy)]
    seeds = range(draft().seed, draft().seed + st.session_state.get("seeds", 1))
    return [draft().revised(strategy=strategy, seed=seed) for seed in seeds for strategy in strategies]


def ask(questions: Sequence[RunSpec]) -> None:
    """Ask all these questions and watch the first of them; or show what was refused."""
    try:
        admitted = [admit(question) for question in questions]  # all of them, before the first is asked
    except Refused as error:
        refusals(error.problems)
    else:
        started = [worker.start(question) for question in admitted]
        open_run(started[0])
        go("training", started[0])


def refusals(problems: tuple[Problem, ...]) -> None:
    """What is wrong with a question, in words."""
    for problem in problems:
        name = LABELS.get(problem.field, problem.field.replace("_", " ").capitalize())
        st.error(
            f"**{name}**: {plain(str(problem.received))} was received; expected {plain(problem.expected)}. "
            f"{plain(problem.remedy[:1].upper() + problem.remedy[1:])}.",
            icon=":material/report:",
        )


# The open run


def open_run(run: str) -> None:
    """Make a run the one that this visitor looks at; the address says so, and can be shared."""
    st.session_state["run"] = run
    st.query_params["run"] = run


def opened(fallback: Callable[[], str | None] = lambda: None) -> Run | None:
    """The run that the address names, else the one looked at last, else the fallback; None where there is none."""
    run = st.query_params.get("run") or st.session_state.get("run") or fallback()
    if not run:
        return None
    found = _found(run, runs.TRAIN, runs.SOURCE)
    if not found:
        st.session_state.pop("run", None)
        return opened(fallback)
    open_run(found.id)
    return found


def open_race(race: str) -> None:
    """Make a race the one that this visitor looks at; nothing for none, to set up another."""
    st.session_state["race"] = race
    st.query_params.pop("run", None)
    if race:
        st.query_params["race"] = race
    else:
        st.query_params.pop("race", None)


def opened_race(fallback: Callable[[], str | None] = lambda: None) -> Run | None:
    """The race that the address names as one or as a run, else the one looked at last, else the fallback; None where
    there is none, or where another one is set up."""
    named = st.query_params.get("race") or st.query_params.get("run")
    race = named or st.session_state.get("race", fallback())
    if not race:
        return None
    found = _found(race, runs.RACE)
    if not found:
        st.session_state.pop("race", None)
        return opened_race(fallback)
    open_race(found.id)
    return found


def _found(run: str, *tasks: str) -> Run | None:
    """A run of one of these tasks; a job of another has no page of this kind. Says so where there is none."""
    try:
        found = runs.get(run)
    except UnknownRun:
        found = None
    if found and found.task in tasks:
        return found
    what = "race" if tasks == (runs.RACE,) else "run"
    st.warning(f"There is no {what} {run} any more.", icon=":material/search_off:")
    for name in ("run", "race"):
        st.query_params.pop(name, None)
    return None


def story(run: str) -> Story:
    """The run's story, read on from where this visitor's last look ended."""
    stories: dict[str, Story] = st.session_state.setdefault("stories", {})
    if run not in stories:
        while len(stories) >= 4:
            stories.pop(next(iter(stories)))
        stories[run] = Story()
    return worker.follow(run, stories[run])


_ABOUT_A_RUN = ("training", "results", "runs")


def go(page: str, run: str | None = None, **parameters: str) -> None:
    """Show another page, with what it is about in its address: a run, where the page shows one."""
    target = run or st.session_state.get("run")
    if page == "race" and run:
        parameters["race"] = run
    elif target and page in _ABOUT_A_RUN:
        parameters["run"] = target
    try:
        st.switch_page(f"pages/{page}.py", query_params=parameters or None)
    except StreamlitPageNotFoundError:  # a page that was opened without the app around it
        st.info(f"Go on with the page *{page.capitalize()}* of the app.", icon=":material/arrow_forward:")
