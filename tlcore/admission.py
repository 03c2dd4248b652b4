"""A question against what there is to choose: every complaint at once, before anything starts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from . import devices
from .catalogue import UnknownName
from .datasets import DATASETS, Damaged, Dataset
from .datasets.split import most_samples_per_class
from .networks import NETWORKS, Block, usual
from .sources import NONE, Source, fits, source
from .spec import Problem, Refused, RunSpec
from .strategies import STRATEGIES


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
    """Fill in what the question leaves open: the network, and no control where nothing is borrowed."""
    network = spec.network or source(spec.source).network or usual(DATASETS[spec.dataset].shape)
    return spec.revised(
        network=network,
        control=spec.control and STRATEGIES[spec.strategy].copies != "nothing",
        blocks=spec.blocks if STRATEGIES[spec.strategy].takes_blocks else 1,
        learning_rate=float(spec.learning_rate),  # a whole number in JSON; Keras takes no whole ones
    )


def blocks(spec: RunSpec) -> tuple[Block, ...]:
    """Body and head that the question asks for, input first, the head last."""
    dataset = DATASETS[spec.dataset]
    return NETWORKS[resolved(spec).network or ""].whole(dataset.shape, len(dataset.classes))


def _problems(spec: RunSpec) -> Iterator[Problem]:
    looked_up: dict[str, Any] = {}
    lookups: dict[str, Callable[[str], Any]] = {
        "dataset": DATASETS.__getitem__,
        "source": source,
        "strategy": STRATEGIES.__getitem__,
        "network": NETWORKS.__getitem__,
        "evaluate_on": DATASETS.__getitem__,
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
    dataset, origin = looked_up["dataset"], looked_up["source"]
    yield from _source_problems(spec, dataset, origin)
    yield from _amount_problems(spec, dataset)
    if (other := looked_up["evaluate_on"]) and other.name not in dataset.alike:
        remedy = f"choose one of {', '.join(dataset.alike)}, or leave it out" if dataset.alike else "leave it out"
        yield Problem("evaluate_on", other.name, f"another dataset of the shape and classes of {dataset.name}", remedy)
    if other and any(other.name == seen.dataset for seen in _ancestry(origin)):
        yield Problem("evaluate_on", other.name, f"a dataset that the source {spec.source} has not learnt from",
                      "choose another one, or leave it out")  # fmt: skip
    if spec.device == "gpu" and not devices.visible_gpus():
        yield Problem("device", "gpu", "a GPU that this computer can use", "choose 'auto' or 'cpu'")


def _source_problems(spec: RunSpec, dataset: Dataset, origin: Source) -> Iterator[Problem]:
    strategy = STRATEGIES[spec.strategy]
    if strategy.copies == "nothing" and spec.source != NONE:
        yield Problem("source", spec.source, "'none' with the strategy 'scratch', which borrows nothing",
                      "choose the source 'none', or a strategy that borrows")  # fmt: skip
        return
    if strategy.copies != "nothing" and spec.source == NONE:
        yield Problem("source", NONE, f"a network to borrow from: the strategy {spec.strategy!r} needs one",
                      "choose a source, or the strategy 'scratch'")  # fmt: skip
        return
    if spec.network and origin.network and spec.network != origin.network:
        yield Problem("network", spec.network, f"{origin.network!r}, the network of the source {spec.source!r}",
                      "leave the network out, or choose another source")  # fmt: skip
        return
    if origin.spec and not fits(origin, dataset.shape):
        own = DATASETS[origin.spec.dataset].shape
        yield Problem("source", spec.source, f"one that takes inputs like {spec.dataset}'s, {_size(dataset.shape)}",
                      f"{spec.source} takes {_size(own)}: choose another source, or 'none' with 'scratch'")  # fmt: skip
        return
    for seen in _ancestry(origin):
        if _has_seen_the_test(seen, spec, dataset):
            yield Problem("seed", spec.seed, f"{seen.seed} with test_share {seen.test_share:g}, as when the source "
                          f"{spec.source} learnt from {seen.dataset}: else it knows examples that this run tests on",
                          f"choose the seed {seen.seed}, or a source that was trained on other data")  # fmt: skip
            return
    try:
        body = blocks(spec)
    except IndexError:
        yield Problem("network", spec.network, f"a network that takes {_size(dataset.shape)}",
                      f"choose {usual(dataset.shape)!r}")  # fmt: skip
        return
    if strategy.copies == "all" and origin.blocks[-1].weights != body[-1].weights:
        own_classes = origin.blocks[-1].output_shape[0]
        yield Problem("strategy", spec.strategy, f"a dataset with the source's {own_classes} classes, so that its "
                      f"output layer can be copied ({spec.dataset} has {len(dataset.classes)})",
                      "choose 'lp_ft', which makes a new output layer")  # fmt: skip
    if strategy.takes_blocks and spec.blocks > len(body) - 1:
        yield Problem("blocks", spec.blocks, f"at most {len(body) - 1}, the blocks of this body", "choose fewer blocks")
        return
    phases = strategy.plan(spec, [block.name for block in body])
    if any(phase.epochs < 1 for phase in phases):
        yield Problem("epochs", spec.epochs, f"at least {len(phases)}, one for each phase of {spec.strategy!r}",
                      "choose more epochs")  # fmt: skip


def _ancestry(origin: Source) -> Iterator[RunSpec]:
    """The questions that a source was trained by: its own, its source's, and so on. Ends where a run is gone."""
    while origin.spec:
        yield origin.spec
        try:
            origin = source(origin.spec.source)
        except UnknownName:
            return


def _has_seen_the_test(source: RunSpec, spec: RunSpec, dataset: Dataset) -> bool:
    """Whether a source trained on the same dataset was trained on examples that this question keeps for the test."""
    same_split = (source.seed, source.test_share) == (spec.seed, spec.test_share)
    return source.dataset == spec.dataset and not same_split and dataset.facts().official_test is None


def _amount_problems(spec: RunSpec, dataset: Dataset) -> Iterator[Problem]:
    if spec.validation_share + spec.test_share > 0.8:
        yield Problem("test_share", spec.test_share, "validation_share and test_share of at most 0.8 together",
                      "leave more to learn from")  # fmt: skip
        return
    try:
        facts = dataset.facts()
    except Damaged as error:
        yield Problem("dataset", dataset.name, "a file that can be read", str(error))
        return
    test_share = 0.0 if facts.official_test else spec.test_share
    most = most_samples_per_class(facts.counts, spec.validation_share, test_share)
    if most < 1:
        yield Problem("dataset", dataset.name, "at least 3 examples in each class", "choose another dataset")
    elif spec.samples_per_class is not None and spec.samples_per_class > most:
        yield Problem("samples_per_class", spec.samples_per_class,
                      f"at most {most}: {dataset.name} has no more in its smallest class after validation and test",
                      f"choose {most} or fewer, or leave it out to use all")  # fmt: skip


def _size(shape: tuple[int, ...]) -> str:
    if len(shape) == 1:
        return f"{shape[0]} features"
    return f"{shape[0]}×{shape[1]} pictures with {shape[2]} colour channel{'s' * (shape[2] > 1)}"
