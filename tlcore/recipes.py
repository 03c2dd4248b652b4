"""Ready questions, one click each."""

from __future__ import annotations

from dataclasses import dataclass

from .catalogue import Catalogue, UnknownName
from .datasets import DATASETS, split_sizes
from .sources import NONE, SOURCES, Source, fits, source
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


def budgeted(spec: RunSpec) -> RunSpec:
    """The question with epochs, batch size and learning rate that suit its examples: the fewer, the more passes."""
    facts = DATASETS[spec.dataset].facts()
    examples = split_sizes(
        facts.counts, facts.official_test, samples_per_class=spec.samples_per_class,
        validation_share=spec.validation_share, test_share=spec.test_share,
    )["train"]  # fmt: skip
    if examples <= 1_000:
        return spec.revised(epochs=60, batch_size=32, learning_rate=0.01)
    if examples <= 10_000:
        return spec.revised(epochs=20, batch_size=64, learning_rate=0.003)
    return spec.revised(epochs=5, batch_size=128, learning_rate=0.001)


def suited(spec: RunSpec) -> RunSpec:
    """The question with a source, a strategy and a network that suit its dataset, where the present ones cannot.

    A shipped source that has seen another dataset of the same kind comes first; without one, from scratch.
    """
    shape = DATASETS[spec.dataset].shape

    def suits(origin: Source) -> bool:
        return origin.spec is not None and origin.spec.dataset != spec.dataset and fits(origin, shape)

    try:
        present = source(spec.source)
    except UnknownName:  # a run that was deleted
        present = SOURCES[NONE]
    if suits(present):
        same_classes = present.blocks[-1].output_shape == (len(DATASETS[spec.dataset].classes),)
        return spec if spec.strategy != "copy_all" or same_classes else spec.revised(strategy="lp_ft")
    chosen = next((name for name, origin in SOURCES.items() if suits(origin)), NONE)
    strategy = "scratch" if chosen == NONE else ("lp_ft" if spec.strategy in ("scratch", "copy_all") else spec.strategy)
    return spec.revised(source=chosen, strategy=strategy, network=None, control=True)


def borrowing(spec: RunSpec, name: str) -> RunSpec:
    """The question with another source, and what goes with it: a strategy that borrows, or from scratch for none.

    A dataset that the source cannot take gives way to one that it can. The source's own dataset is taken with the
    source's own seed, whose test part it has not seen. Raises UnknownName for an unknown source.
    """
    origin = source(name)
    if origin.spec is None:
        return spec.revised(source=name, strategy="scratch", network=None, control=False)
    strategy = "lp_ft" if spec.strategy == "scratch" else spec.strategy
    asked = spec.revised(source=name, strategy=strategy, network=None, control=True)
    if not fits(origin, DATASETS[spec.dataset].shape):
        others = (n for n, d in DATASETS.items() if d.ready and n != origin.spec.dataset and fits(origin, d.shape))
        dataset = next(others, origin.spec.dataset)
        asked = budgeted(asked.revised(dataset=dataset, samples_per_class=None, evaluate_on=None, strategy="lp_ft"))
    if asked.dataset == origin.spec.dataset:
        asked = asked.revised(seed=origin.spec.seed, test_share=origin.spec.test_share)
    return asked
