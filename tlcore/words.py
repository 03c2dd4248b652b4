"""Sentences and numbers as people read them: the same on the command line and on the pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .catalogue import UnknownName
from .datasets import dataset
from .runs import Run
from .spec import RunSpec
from .strategies import STRATEGIES

ONE_SEED = "One seed: repeat with more before you rely on it."


def gain_sentence(spec: RunSpec, result: dict[str, Any], seeds: int = 1) -> str:
    """What a run's answer means, in one or two plain sentences.

    ``result`` is the data of a run's ``result`` event (:mod:`tlcore.engine.journey` says what it holds);
    ``seeds`` is how many the question was asked with, this one among them: a single one is called an anecdote.
    """
    got = f"got {result['test']['accuracy']:.3f}"
    if STRATEGIES[spec.strategy].copies == "nothing":
        return f"Trained from scratch, it {got} {_lower(_amount(spec))}."
    said = f"{_amount(spec)}, borrowing from {lender(spec)} {got}"
    control, gain = result.get("control"), result.get("gain")
    if not control or not gain:
        why = "The control came to no result" if spec.control else "No control was trained"
        return f"{said}. {why}, so nothing can be said about whether borrowing helped."
    said += f"; the same network from scratch got {control['accuracy']:.3f}: {points(gain['gain'])}."
    low, high = gain["interval"]
    if low <= 0 <= high:
        return f"{said} That is no clear difference on these {count(result['test']['examples'])} test examples."
    hurt = "" if gain["gain"] > 0 else " Borrowing hurt here."
    return f"{said}{hurt}" + (f" {ONE_SEED}" if seeds == 1 else "")


def title(run: Run) -> str:
    """What a person called a run, else what it is about. Raises Refused or UnknownName for what is not known here."""
    if run.label:
        return run.label
    spec = run.spec
    amount = "all" if spec.samples_per_class is None else f"{spec.samples_per_class} a class"
    return f"{dataset(spec.dataset).title}, {amount} · {STRATEGIES[spec.strategy].title} · seed {spec.seed}"


def seeds_sentence(over: dict[str, Any]) -> str:
    """What several seeds say together; ``over`` is :func:`tlcore.evaluation.over_seeds`'s answer for two or more."""
    low, high = over["interval"]
    said = f"Over {over['seeds']} seeds the mean gain is {points(over['mean'])}"
    said += f" (95 % interval {points(low)} to {points(high)}"
    if over["significant"] is None:
        return f"{said}). Below six seeds no difference can be called significant."
    return f"{said}; sign-flip test p = {over['p']:.3f}): {'' if over['significant'] else 'not '}significant."


def race_sentence(rows: Sequence[dict[str, Any]], duels: Sequence[dict[str, Any] | None]) -> str:
    """What a race says, in plain sentences. ``rows`` are a leaderboard's with a finished run, the first place first;
    ``duels`` say for all but the first how much better the first did than each (:func:`tlcore.standings.duel`)."""
    if not rows:
        return "No run has come to a result yet."
    first, gain = rows[0], rows[0]["gain"]
    n = len(first["members"])
    said = f"{'With one seed' if n == 1 else f'Over {n} seeds'}, {_quoted(first['name'])} "
    if gain is None:
        said += f"came first: {first['accuracy']:.1%} of the test examples right."
    else:
        verb, beside = ("gained", "over") if gain["mean"] >= 0 else ("lost", "against")
        said += f"{verb} {points(abs(gain['mean'])).lstrip('+')} {beside} training from scratch{_certainty(gain)}"
    if n < 6:
        return f"{said} Below six seeds no difference can be called significant."
    sure = [(row["name"], duel) for row, duel in zip(rows[1:], duels, strict=True) if duel and duel["seeds"] >= 6]
    for names, what in (
        ([name for name, duel in sure if not duel["significant"]], "{} cannot be told apart from it."),
        ([name for name, duel in sure if duel["significant"] and duel["mean"] > 0], "It did better than {}."),
        ([name for name, duel in sure if duel["significant"] and duel["mean"] < 0],
         "On the test examples {} did better still: places are given by validation examples."),
    ):  # fmt: skip
        if names:
            said += " " + what.format(listed([_quoted(name) for name in names]))
    if len(sure) > 1 and any(duel["significant"] for _, duel in sure):
        said += f" These are {len(sure)} comparisons: one in twenty looks clear by chance alone."
    return said


def _quoted(name: str) -> str:
    return name if "“" in name else f"“{name}”"


def _certainty(gain: dict[str, Any]) -> str:
    """The rest of a sentence about a gain over seeds."""
    if not gain["interval"]:
        return "."
    low, high = (points(end).split()[0] for end in gain["interval"])
    said = f" (95 % interval {low} to {high}"
    if gain["significant"] is None:
        return f"{said})."
    clear = "a significant difference" if gain["significant"] else "no significant difference"
    return f"{said}; sign-flip test p = {gain['p']:.3f}): {clear}."


def depth_sentence(found: dict[str, Any]) -> str:
    """What a depth sweep shows, in plain sentences; ``found`` is :func:`tlcore.standings.by_depth`'s answer."""
    if not found["frozen"] or not found["tuned"]:
        return "The sweep has not come far enough to say anything."
    depth = max(point["blocks"] for point in found["frozen"])
    frozen, tuned = (max(found[own], key=lambda point: float(point["accuracy"])) for own in ("frozen", "tuned"))
    deepest = max(found["frozen"], key=lambda point: int(point["blocks"]))
    scratch = f", against {found['scratch']:.1%} from scratch" if found["scratch"] is not None else ""
    said = f"Kept frozen, {_first(frozen['blocks'], depth)} did best: {frozen['accuracy']:.1%}{scratch}."
    if frozen is deepest:
        said += " No block is too special to be used just as it was borrowed."
    elif deepest["high"] < frozen["low"] and min(deepest["seeds"], frozen["seeds"]) > 1:
        said += f" Deeper ones know too much of the old task: with all {depth} it is {deepest['accuracy']:.1%}."
    else:
        said += f" Copying all {depth} makes no clear difference ({deepest['accuracy']:.1%})."
    said += f" Learning on, {_first(tuned['blocks'], depth)} did best: {tuned['accuracy']:.1%}."
    if found["scratch"] is not None and all(own["low"] <= found["scratch"] <= own["high"] for own in (frozen, tuned)):
        said += " None of this is a clear difference from scratch."
    n = frozen["seeds"]
    return said + (f" {count(n)} seed{'s' * (n != 1)}: read the shape, not the last digit." if n < 6 else "")


def _first(blocks: int, depth: int) -> str:
    if blocks == depth:
        return f"all {depth} blocks" if depth > 1 else "the one block"
    return f"the first {blocks} of {depth} blocks" if blocks > 1 else f"the first of {depth} blocks"


def listed(names: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1]))) if names else ""


def receipt_sentence(receipt: dict[str, Any]) -> str:
    """What became of the source's weights, and whether the body answered as the source's did."""
    copied, adapted, new, unused = (receipt[fate] for fate in ("copied", "adapted", "new", "unused"))
    said = f"{count(copied['parameters'])} of the network's parameters ({_share(copied['share'])}) came from the source"
    if adapted["tensors"]:
        said += f" as they were; {count(adapted['parameters'])} ({adapted['share']:.0%}) were adapted to fit"
    said += f"; {count(new['parameters'])} are new"
    said += f"; {count(unused['parameters'])} of the source's were not used." if unused["tensors"] else "."
    off, checked = receipt["largest_difference"], receipt.get("checked", "")
    if off is None:
        unsure = f" Whether the borrowed body answers as the source's cannot be checked: {checked}."
        return said + (unsure if checked else "")
    same = "exactly as the source's" if off == 0 else f"as the source's does, but for {off:.2g} at most"
    return f"{said} Before training, the borrowed body answered {same}{f', {checked}' if checked else ''}."


def _share(share: float) -> str:
    """In percent; what is not all is not called 100%."""
    return f"{share:.0%}" if share == 1 or share < 0.995 else f"{min(share, 0.999):.1%}"


def front_sentence(stage: dict[str, Any]) -> str:
    """What becomes of the frozen blocks while a phase trains; ``stage`` is the event's. Nothing where all learns."""
    match stage.get("front"):
        case "along":
            changing = "nothing of changing pictures can be kept"
            return "The frozen blocks run along in every step: " + (
                f"{changing}." if stage.get("augmentation") else "what they see would take too much room to keep."
            )
        case "kept":
            views, known = stage.get("views", 0), stage.get("known", 0)
            said = "What the frozen blocks see is computed once and kept"
            said += f", in {count(views)} changed versions of each picture" if views else ""
            return said + (f"; {count(known)} were known from an earlier run or phase." if known else ".")
    return ""


def lender(spec: RunSpec) -> str:
    """Whom a question borrows from, by its title."""
    from .sources import source  # which calls runs by the titles made here

    try:
        return f"“{source(spec.source).title}”"
    except UnknownName:
        return "a network that is gone"


def strategy(spec: RunSpec) -> str:
    """A question's strategy and whom it borrows from, for a row of a comparison."""
    own = STRATEGIES[spec.strategy]
    blocks = f" ({spec.blocks})" if "blocks" in own.takes else ""
    return own.title + blocks + (f", from {lender(spec)}" if own.copies != "nothing" else f" ({spec.network})")


def points(share: float) -> str:
    """A difference between two shares in percentage points, with its sign: ``+5 points``, ``−0.4 points``."""
    number = f"{abs(100 * share):.1f}".removesuffix(".0")
    sign = "" if number == "0" else "−" if share < 0 else "+"
    return f"{sign}{number} point{'s' * (number != '1')}"


def duration(seconds: float) -> str:
    """``0.4 s``, ``42 s``, ``3 min 05 s`` or ``1 h 02 min``."""
    if 0.05 <= seconds < 0.95:
        return f"{seconds:.1f} s"
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, left = divmod(whole, 60)
    return f"{minutes} min {left:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def count(n: int) -> str:
    """``65,760``."""
    return f"{n:,}"


def epochs(n: int) -> str:
    """``1 epoch`` or ``20 epochs``."""
    return f"{count(n)} epoch{'s' * (n != 1)}"


def short_count(n: int) -> str:
    """``842``, ``65.8 thousand`` or ``23.6 million``."""
    if n < 10_000:
        return count(n)
    return f"{n / 1000:.3g} thousand" if n < 1_000_000 else f"{n / 1_000_000:.3g} million"


def _amount(spec: RunSpec) -> str:
    """With how many examples it learnt."""
    try:
        unit = dataset(spec.dataset).unit
    except UnknownName:  # one that was deleted
        unit = "examples"
    if spec.samples_per_class is None:
        return f"With all its {unit}"
    one = spec.samples_per_class == 1
    return f"With {count(spec.samples_per_class)} {unit.removesuffix('s') if one else unit} a class"


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
