"""Ready questions, one click each."""

from __future__ import annotations

from dataclasses import dataclass

from . import admission
from .catalogue import Catalogue, UnknownName
from .datasets import Own, dataset, everything, most_samples_per_class, split_sizes
from .sources import IMAGENET, NONE, SOURCES, TRAINED, Source, adaptable, fits, source
from .spec import RunSpec


@dataclass(frozen=True)
class Recipe:
    """One or more questions to be asked together, the first one first in every account."""

    name: str
    title: str
    sentence: str
    specs: tuple[RunSpec, ...]


_FASHION = RunSpec(
    dataset="fashion_mnist", source="mnist", network="dense_128", strategy="copy_all", samples_per_class=None,
    epochs=5, batch_size=128, learning_rate=0.001,
)  # fmt: skip

RECIPES = Catalogue(
    "recipe",
    (
        (recipe.name, recipe)
        for recipe in (
            Recipe(
                "letters-to-digits",
                "Letters to digits",
                "A network that reads printed letters learns handwritten digits from 5 examples each.",
                (RunSpec(network="small_cnn"),),
            ),
            Recipe(
                "mnist-to-fashion",
                "MNIST to Fashion-MNIST",
                "From digits to clothes: the old output layer copied along, and side by side a new one.",
                (_FASHION, _FASHION.revised(strategy="fine_tune")),
            ),
            Recipe(
                "vectors",
                "Vectors",
                "A dense network's weights move from one task on 100 features to a second, related one.",
                (
                    RunSpec(
                        dataset="vectors_b", source="vectors_a", network="dense_64_32", strategy="fine_tune",
                        samples_per_class=50, epochs=10, batch_size=32, learning_rate=0.001,
                    ),
                ),
            ),
            Recipe(
                "resnet-new-head",
                "ResNet, new head",
                "A ResNet that has seen ImageNet gets a new layer of ten outputs for CIFAR-10's photographs.",
                (
                    RunSpec(
                        dataset="cifar10", source="imagenet/resnet50", strategy="linear_probe", samples_per_class=100,
                        validation_share=0.05, epochs=10, batch_size=32, learning_rate=0.001, optimizer="momentum",
                    ),
                ),
            ),
            Recipe(
                "cifar10-to-cifar100",
                "CIFAR-10 to CIFAR-100",
                "A ResNet trained on ten kinds of things learns a hundred, with a new input and a new output layer.",
                (
                    RunSpec(
                        dataset="cifar100", source="cifar10", strategy="fine_tune", new_input=True,
                        samples_per_class=None, epochs=2, batch_size=100, learning_rate=0.001, optimizer="momentum",
                    ),
                ),
            ),
            Recipe(
                "dense-evaluate",
                "Train here, try there",
                "A dense network learns handwritten digits, then reads printed ones that it has never seen.",
                (
                    RunSpec(
                        dataset="digits", source=NONE, network="dense_64", strategy="scratch", samples_per_class=None,
                        epochs=10, batch_size=32, learning_rate=0.001, control=False, evaluate_on="printed_digits",
                    ),
                ),
            ),
        )
    ),
)  # fmt: skip

DEFAULT = "letters-to-digits"

USUAL_FOR_PHOTOGRAPHS = "imagenet/mobilenet_v2"
PLENTY = 100
"""Examples a class of a person's own data to begin with, where there are so many."""
LARGE = 10_000
"""Examples from which a twentieth of them says enough about an epoch."""
PHOTOGRAPH = 24
"""Pixels from which pictures are likely to be photographs of things, which ImageNet's networks know."""


def budgeted(spec: RunSpec) -> RunSpec:
    """The question with epochs, batch size and learning rate that suit its examples: the fewer, the more passes."""
    examples = split_sizes(
        dataset(spec.dataset).facts(), samples_per_class=spec.samples_per_class,
        validation_share=spec.validation_share, test_share=spec.test_share,
    )["train"]  # fmt: skip
    if examples <= 1_000:
        return spec.revised(epochs=60, batch_size=32, learning_rate=0.01)
    if examples <= 10_000:
        return spec.revised(epochs=20, batch_size=64, learning_rate=0.003)
    return spec.revised(epochs=5, batch_size=128, learning_rate=0.001)


def amounting(spec: RunSpec, name: str) -> RunSpec:
    """The question about another dataset, with as many examples of it as suit: of a person's own first all, up to
    :data:`PLENTY` a class. Of a large one less is kept to watch the training on: it is looked at after every epoch."""
    card = dataset(name)
    new = name.partition("@")[0] != spec.dataset.partition("@")[0]
    wanted = PLENTY if isinstance(card, Own) and new else spec.samples_per_class
    share = 0.05 if card.facts().examples > LARGE else RunSpec().validation_share
    most = most_samples_per_class(card.facts(), share, spec.test_share)
    amount = None if wanted is not None and wanted > most else wanted
    return spec.revised(dataset=name, samples_per_class=amount, validation_share=share)


def suited(spec: RunSpec) -> RunSpec:
    """The question with a source, a strategy and a network that suit its dataset, where the present ones cannot.

    A shipped source that has seen another dataset of the same kind comes first; without one, from scratch.
    """
    card = dataset(spec.dataset)

    def suits(origin: Source) -> bool:
        seen = origin.spec.dataset.partition("@")[0] if origin.spec else ""
        return origin.kind != NONE and seen != card.name.partition("@")[0] and fits(origin, card.shape)

    try:
        present = source(spec.source)
    except UnknownName:  # a run that was deleted
        present = SOURCES[NONE]
    if suits(present):
        return _possible(spec)
    photographs = len(card.shape) == 3 and card.shape[0] >= PHOTOGRAPH and card.shape[2] == 3
    imagenet = sorted(own.name for own in SOURCES.values() if photographs and own.kind == IMAGENET and own.ready)
    shipped = [own.name for own in SOURCES.values() if own.kind == TRAINED]
    candidates = [*imagenet, *([USUAL_FOR_PHOTOGRAPHS] if photographs else []), *shipped]
    chosen = next((name for name in candidates if suits(SOURCES[name])), NONE)
    strategy = "scratch" if chosen == NONE else ("lp_ft" if spec.strategy in ("scratch", "copy_all") else spec.strategy)
    if SOURCES[chosen].kind == IMAGENET:
        strategy = "linear_probe"  # minutes on any computer, and hard to beat with few photographs
    return _possible(spec.revised(source=chosen, strategy=strategy, network=None, image_size=None, control=True))


def _possible(spec: RunSpec) -> RunSpec:
    """The question, with a strategy that any source and network allow where its own is not possible with these."""
    return spec if admission.possible(spec) else spec.revised(strategy="lp_ft" if spec.source != NONE else "scratch")


def borrowing(spec: RunSpec, name: str) -> RunSpec:
    """The question with another source, and what goes with it: a strategy that borrows, or from scratch for none.

    A dataset that the source cannot take gives way to one that it can. The source's own dataset is taken with the
    source's own seed, whose test part it has not seen. Raises UnknownName for an unknown source.
    """
    origin = source(name)
    if origin.kind == NONE:
        return spec.revised(source=name, strategy="scratch", network=None, image_size=None, control=False)
    strategy = "lp_ft" if spec.strategy == "scratch" else spec.strategy
    asked = spec.revised(source=name, strategy=strategy, network=None, image_size=None, control=True)
    if not adaptable(origin, dataset(spec.dataset).shape):
        own = origin.spec.dataset if origin.spec else ""
        others = (d.name for d in everything() if d.ready and d.name != own and fits(origin, d.shape))
        changed = next(others, own) or spec.dataset
        asked = budgeted(asked.revised(dataset=changed, samples_per_class=None, evaluate_on=None, strategy="lp_ft"))
    if origin.spec and asked.dataset == origin.spec.dataset:
        asked = asked.revised(seed=origin.spec.seed, test_share=origin.spec.test_share)
    return _possible(asked)
