"""A question against what there is to choose: every complaint at once, before anything starts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import prod
from typing import Any

from . import architectures, devices
from .architectures import comfortable_size, input_shape, takes, usual
from .catalogue import UnknownName
from .datasets import Damaged, Dataset, Own, dataset, most_samples_per_class
from .datasets.overlap import learnt_and_tested
from .networks import ONLY, Block
from .networks import adaptable as takes_adapters
from .pretrained import Architecture
from .sources import NONE, Source, adaptable, lineage, recognised, source
from .spec import RANGES, Problem, Refused, RunSpec
from .strategies import STRATEGIES, settled


def admit(spec: RunSpec) -> RunSpec:
    """The question with its network named, ready to be carried out. Raises :class:`Refused` with all problems."""
    found = spec.problems() or [*_problems(spec)]
    if found:
        raise Refused(*found)
    return resolved(spec)


def possible(spec: RunSpec) -> bool:
    """Whether the question would be admitted."""
    try:
        admit(spec)
    except Refused:
        return False
    return True


def resolved(spec: RunSpec) -> RunSpec:
    """Fill in what the question leaves open: the dataset's version, the network, the size of pictures, and no control
    where nothing is borrowed."""
    card, origin = dataset(spec.dataset), source(spec.source)
    network = _network(spec, card, origin)
    size = spec.image_size or (origin.spec.image_size if origin.spec and origin.network == network else None)
    size = size or comfortable_size(network, card.shape)
    # A whole number in JSON may stand for one that is not: Keras takes no whole ones.
    own = settled(spec)
    exact = {name: float(getattr(own, name)) for name, (kind, _, _) in RANGES.items() if kind is float}
    return own.revised(
        dataset=card.name,
        network=network,
        image_size=None if size == card.side else size,
        control=spec.control and STRATEGIES[spec.strategy].copies != "nothing",
        views=spec.views if spec.augmentation else 0,
        **exact,
    )


def _network(spec: RunSpec, card: Dataset, origin: Source) -> str:
    """The network that was asked for, else the source's own or the one that its tensors belong to, else the usual."""
    if named := spec.network or origin.network:
        return named
    likely = recognised(origin, card.shape)
    return likely[0] if likely else usual(card.shape)


def blocks(spec: RunSpec) -> tuple[Block, ...]:
    """Body and head that the question asks for, input first, the head last."""
    asked, card = resolved(spec), dataset(spec.dataset)
    network = asked.network or ""
    shape = input_shape(network, card.shape, asked.image_size)
    return architectures.network(network).whole(shape, len(card.classes))


def _problems(spec: RunSpec) -> Iterator[Problem]:
    looked_up: dict[str, Any] = {}
    lookups: dict[str, Callable[[str], Any]] = {
        "dataset": dataset,
        "source": source,
        "strategy": STRATEGIES.__getitem__,
        "network": architectures.network,
        "evaluate_on": dataset,
    }
    unknown = False
    for field, look_up in lookups.items():
        name = getattr(spec, field)
        try:
            looked_up[field] = look_up(name) if name is not None else None
        except UnknownName as error:
            unknown = True
            yield Problem(field, error.received, error.expected, error.remedy)
    if unknown:
        return
    card, origin = looked_up["dataset"], looked_up["source"]
    yield from (pictures := [*_picture_problems(spec, card, origin)])
    if not any(problem.field == "image_size" for problem in pictures):  # else blocks cannot be drawn
        yield from _source_problems(spec, card, origin)
    yield from _amount_problems(spec, card)
    if (other := looked_up["evaluate_on"]) and other.name not in card.alike:
        remedy = f"choose one of {', '.join(card.alike)}, or leave it out" if card.alike else "leave it out"
        yield Problem("evaluate_on", other.name, f"another dataset of the shape and classes of {card.name}", remedy)
    if other and any(seen.spec and other.name == seen.spec.dataset for seen in lineage(origin.name)):
        yield Problem("evaluate_on", other.name, f"a dataset that the source {spec.source} has not learnt from",
                      "choose another one, or leave it out")  # fmt: skip
    if spec.device == "gpu" and not devices.visible_gpus():
        yield Problem("device", "gpu", "a GPU that this computer can use", "choose 'auto' or 'cpu'")
    if spec.device == "gpus" and len(devices.visible_gpus()) < 2:
        yield Problem("device", "gpus", "two or more GPUs that this computer can use", "choose 'auto'")


def _source_problems(spec: RunSpec, card: Dataset, origin: Source) -> Iterator[Problem]:
    strategy = STRATEGIES[spec.strategy]
    if strategy.copies == "nothing" and spec.source != NONE:
        yield Problem("source", spec.source, "'none' with the strategy 'scratch', which borrows nothing",
                      "choose the source 'none', or a strategy that borrows")  # fmt: skip
        return
    if strategy.copies != "nothing" and spec.source == NONE:
        yield Problem("source", NONE, f"a network to borrow from: the strategy {spec.strategy!r} needs one",
                      "choose a source, or the strategy 'scratch'")  # fmt: skip
        return
    if not adaptable(origin, card.shape):
        yield Problem("source", spec.source, f"one that takes inputs like {spec.dataset}'s, {_size(card.shape)}",
                      f"{spec.source} takes {_size(origin.input_shape)}: choose another source, or 'none' with "
                      "'scratch'")  # fmt: skip
        return
    for seen in lineage(origin.name):
        if seen.spec and _has_seen_the_test(seen.spec, spec, card):
            yield _seen_problem(spec, seen.spec)
            return
        if seen.spec and (known := _known_pictures(seen.spec, spec, card)):
            yield Problem("source", spec.source, f"one that has not learnt from what this run tests on: {known:,} of "
                          f"its test pictures are among those of {seen.spec.dataset} that the source learnt from",
                          f"choose another source, or the dataset {seen.spec.dataset} itself")  # fmt: skip
            return
    network = _network(spec, card, origin)
    if origin.network and strategy.copies != "teacher" and not architectures.related(network, origin.network):
        yield Problem("network", spec.network, f"{origin.network!r}, the network of the source {spec.source!r}",
                      "leave the network out, or choose another source")  # fmt: skip
    elif not takes(network, card.shape):
        yield Problem("network", spec.network, f"a network that takes {_size(card.shape)}",
                      f"choose {usual(card.shape)!r}")  # fmt: skip
    else:
        yield from _strategy_problems(spec, card, origin)


def _strategy_problems(spec: RunSpec, card: Dataset, origin: Source) -> Iterator[Problem]:
    """What stands in the way of a strategy, of this source and with these blocks."""
    strategy, body = STRATEGIES[spec.strategy], blocks(spec)[:-1]
    if strategy.copies == "all" and len(origin.classes) != len(card.classes):
        own = f"{len(origin.classes)} classes" if origin.classes else "output layer, which is not kept,"
        yield Problem("strategy", spec.strategy, f"a dataset with the source's {own} so that its "
                      f"output layer can be copied ({spec.dataset} has {len(card.classes)})",
                      "choose 'lp_ft', which makes a new output layer")  # fmt: skip
    if strategy.copies == "teacher" and not origin.network:
        yield Problem("source", spec.source, "a whole network: of these weights only the tensors are known, and a "
                      "teacher must answer", "choose another source")  # fmt: skip
    if strategy.objective == "multi_task" and not (origin.dataset and origin.dataset.ready):
        yield Problem("source", spec.source, "a network whose own data is on this computer, to be learnt together "
                      "with yours", "choose a source that was trained here, or another strategy")  # fmt: skip
    yield from _block_problems(spec, [block.name for block in body])


def _block_problems(spec: RunSpec, body: list[str]) -> Iterator[Problem]:
    strategy = STRATEGIES[spec.strategy]
    last = spec.blocks + (spec.first_block - 1 if "first_block" in strategy.takes else 0)
    if "blocks" in strategy.takes and last > len(body):
        most = len(body) - last + spec.blocks
        if "first_block" in strategy.takes and most < 1:
            yield Problem("first_block", spec.first_block, f"at most {len(body)}: this body has {len(body)}",
                          "choose an earlier one")  # fmt: skip
        else:
            yield Problem("blocks", spec.blocks, f"at most {most}: this body has {len(body)}", "choose fewer blocks")
        return
    if spec.strategy == "custom" and not spec.plan:
        yield Problem("plan", "nothing", "at least one phase", "say which blocks learn in it")
    unknown = dict.fromkeys(own for phase in spec.plan for own in phase.learning if own not in (*body, "head"))
    if strange := [phase.only for phase in spec.plan if phase.only not in ONLY]:
        yield Problem("plan", strange[0], f"one of {', '.join(ONLY)} as what learns of a block", "choose one of them")
        return
    if unknown and spec.strategy == "custom":
        yield Problem("plan", ", ".join(unknown), f"blocks of this network: {', '.join((*body, 'head'))}",
                      "begin the plan anew for this network")  # fmt: skip
        return
    if spec.plan and spec.strategy == "custom" and not any("head" in phase.learning for phase in spec.plan):
        yield Problem("plan", "no phase in which the head learns", "at least one: the head is new, and can only guess",
                      "let the head learn")  # fmt: skip
        return
    phases = strategy.plan(spec, [*body, "head"])
    shortest = min((phase.epochs for phase in phases), default=spec.epochs)
    if shortest < 1:
        yield Problem("epochs", spec.epochs, f"at least {len(phases)}, one for each phase of {spec.strategy!r}",
                      "choose more epochs")  # fmt: skip
    elif spec.warm_up >= shortest and any(phase.warm_up for phase in phases):
        yield Problem("warm_up", spec.warm_up, f"at most {shortest - 1}: the shortest phase has {shortest} epochs",
                      "choose a shorter one, or 0")  # fmt: skip
    learning = {phase.only for phase in phases} - {"weights"}
    if learning and not any(own.trainable(only, spec.lora_rank) for own in blocks(spec)[:-1] for only in learning):
        what = {"norms": "normalisation layers", "biases": "biases", "adapters": "kernels"}[learning.pop()]
        yield Problem("strategy", spec.strategy, f"a network with {what} in its body", "choose another strategy")
    elif "lora_rank" in strategy.takes and spec.lora_rank > (most := _widest(blocks(spec)[:-1])):
        yield Problem("lora_rank", spec.lora_rank, f"at most {most}, the highest rank that a kernel of this body has",
                      "choose a lower one")  # fmt: skip


def _widest(body: tuple[Block, ...]) -> int:
    """The highest rank among the kernels that adapters can stand beside."""
    kernels = ((name, shape) for block in body for name, shape in zip(block.variables, block.weights, strict=True))
    return max(min(prod(shape[:-1]), shape[-1]) for name, shape in kernels if takes_adapters(name, shape))


def _picture_problems(spec: RunSpec, card: Dataset, origin: Source) -> Iterator[Problem]:
    """What is wrong with the size of pictures, and with changes that only pictures can take."""
    if not card.is_image:
        if spec.image_size:
            yield Problem("image_size", spec.image_size, f"nothing: {spec.dataset} has no pictures", "leave it out")
        if spec.augmentation:
            yield Problem("augmentation", ", ".join(spec.augmentation), f"nothing: {spec.dataset} has no pictures",
                          "leave it out")  # fmt: skip
        return
    if "colour" in spec.augmentation and card.shape[2] == 1:
        yield Problem("augmentation", "colour", f"changes that grey pictures can take, as {spec.dataset}'s are",
                      "leave it out")  # fmt: skip
    network = architectures.network(_network(spec, card, origin))
    if isinstance(network, Architecture) and spec.image_size and spec.image_size < network.least:
        yield Problem("image_size", spec.image_size, f"at least {network.least}, the smallest that {network.title} "
                      "takes", f"choose {network.least} or more, or leave it out")  # fmt: skip


def _has_seen_the_test(seen: RunSpec, spec: RunSpec, card: Dataset) -> bool:
    """Whether a source trained on the same dataset was trained on examples that this question keeps for the test."""
    same_split = (seen.dataset, seen.seed, seen.test_share) == (card.name, spec.seed, spec.test_share)
    same_data = seen.dataset.partition("@")[0] == card.name.partition("@")[0]
    return same_data and not same_split and card.facts().official_test is None


def _known_pictures(seen: RunSpec, spec: RunSpec, card: Dataset) -> int:
    """How many test pictures a source has learnt from that was trained on another import."""
    both_own = seen.dataset.startswith("data-") and isinstance(card, Own)
    if not both_own or seen.dataset.partition("@")[0] == card.name.partition("@")[0]:
        return 0
    return learnt_and_tested(seen, spec.revised(dataset=card.name))


def _seen_problem(spec: RunSpec, seen: RunSpec) -> Problem:
    if seen.dataset.partition("@")[2] != dataset(spec.dataset).name.partition("@")[2]:
        return Problem(
            "source", spec.source, f"one that was trained on this version of the dataset, and not on {seen.dataset}: "
            "its examples are divided otherwise, so it knows some that this run tests on",
            f"choose {seen.dataset}, or train the source again on this version",
        )  # fmt: skip
    return Problem(
        "seed", spec.seed, f"{seen.seed} with test_share {seen.test_share:g}, as when the source "
        f"{spec.source} learnt from {seen.dataset}: else it knows examples that this run tests on",
        f"choose the seed {seen.seed}, or a source that was trained on other data",
    )  # fmt: skip


def _amount_problems(spec: RunSpec, card: Dataset) -> Iterator[Problem]:
    if spec.validation_share + spec.test_share > 0.8:
        yield Problem("test_share", spec.test_share, "validation_share and test_share of at most 0.8 together",
                      "leave more to learn from")  # fmt: skip
        return
    try:
        facts = card.facts()
    except Damaged as error:
        yield Problem("dataset", card.name, "a file that can be read", str(error))
        return
    most = most_samples_per_class(facts, spec.validation_share, spec.test_share)
    needed = 1 + (facts.official_validation is None) + (facts.official_test is None)
    few = ", ".join(name for name, n in zip(card.classes, facts.counts, strict=True) if n < needed)
    remedy = "add examples, or leave the class out" if isinstance(card, Own) else "choose another dataset"
    if len(card.classes) < 2:
        yield Problem("dataset", card.name, "at least 2 classes to tell apart", "choose another version or dataset")
    elif few:
        yield Problem("dataset", card.name, f"at least {needed} examples to learn from in each class (too few: {few})",
                      remedy)  # fmt: skip
    elif most < 1:
        yield Problem("validation_share", spec.validation_share, f"a share that, with a test_share of "
                      f"{spec.test_share:g}, leaves an example of each class of {card.name} to learn from",
                      "choose a smaller one")  # fmt: skip
    elif spec.samples_per_class is not None and spec.samples_per_class > most:
        yield Problem("samples_per_class", spec.samples_per_class,
                      f"at most {most}: {card.name} has no more in its smallest class after validation and test",
                      f"choose {most} or fewer, or leave it out to use all")  # fmt: skip


def _size(shape: tuple[int, ...]) -> str:
    if len(shape) == 1:
        return f"{shape[0]} features"
    return f"{shape[0]}×{shape[1]} pictures with {shape[2]} colour channel{'s' * (shape[2] > 1)}"
