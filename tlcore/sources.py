"""Networks whose knowledge can be borrowed: cards, with no weights in memory.

Pre-training is a run like any other: a source is the question of a run, and its weights are that run's. The shipped
ones are trained on first use and kept; every finished run is a source too, by the name ``run:<id>``.
"""

from __future__ import annotations

from dataclasses import dataclass

from . import runs
from .catalogue import Catalogue, UnknownName
from .datasets import DATASETS
from .networks import NETWORKS, Block
from .runs import Run, UnknownRun
from .spec import Refused, RunSpec
from .words import title

NONE = "none"


@dataclass(frozen=True)
class Source:
    """A network's card. ``spec`` is the question it was, or will be, trained by; None for random weights."""

    name: str
    title: str
    summary: str
    spec: RunSpec | None = None

    @property
    def run(self) -> str | None:
        """The finished run that holds its weights, if it was trained already."""
        if self.name.startswith("run:"):
            return self.name.removeprefix("run:")
        return runs.finished_with(self.spec) if self.spec else None

    @property
    def network(self) -> str | None:
        return self.spec.network if self.spec else None

    @property
    def blocks(self) -> tuple[Block, ...]:
        """Its body and head, at the size it was trained at; nothing for random weights."""
        if not self.spec or not self.network:
            return ()
        dataset = DATASETS[self.spec.dataset]
        return NETWORKS[self.network].whole(dataset.shape, len(dataset.classes))

    @property
    def accuracy(self) -> float | None:
        """Its test accuracy on its own dataset, once trained."""
        run = self.run
        result = runs.get(run).result if run else None
        return result["test"]["accuracy"] if result else None


def _pretraining(dataset: str, network: str, **fields: object) -> RunSpec:
    return RunSpec(
        dataset=dataset, source=NONE, strategy="scratch", network=network, samples_per_class=None, control=False
    ).revised(**fields)


SOURCES = Catalogue(
    "source",
    (
        (source.name, source)
        for source in (
            Source(NONE, "Nothing", "Random weights: the network starts from scratch."),
            Source(
                "letters",
                "Printed letters",
                "A small convolutional network that can read printed letters.",
                _pretraining(
                    "letters",
                    "small_cnn",
                    epochs=8,
                    batch_size=128,
                    learning_rate=0.001,
                    validation_share=0.05,
                    test_share=0.05,
                ),
            ),
            Source(
                "mnist",
                "MNIST, dense",
                "784 pixels, 128 hidden units, dropout 0.2, 10 outputs, trained on MNIST.",
                _pretraining("mnist", "dense_128", epochs=5, batch_size=128, learning_rate=0.001, validation_share=0.1),
            ),
            Source(
                "vectors_a",
                "Vectors A, dense",
                "100 features, hidden layers of 64 and 32 units, trained on the first made-up task.",
                _pretraining("vectors_a", "dense_64_32", epochs=10, batch_size=32, learning_rate=0.001),
            ),
        )
    ),
)


def everything() -> list[Source]:
    """All sources: the shipped ones, then every finished run whose question can be read, newest first."""
    return [*SOURCES.values(), *(card for run in runs.all_runs() if (card := _of_run(run)))]


def source(name: str) -> Source:
    """The card of a shipped source or of ``run:<id>``. Raises UnknownName."""
    if name in SOURCES:
        return SOURCES[name]
    if name.startswith("run:"):
        try:
            card = _of_run(runs.get(name.removeprefix("run:")))
        except UnknownRun:
            card = None
        if card:
            return card
    raise UnknownName("source", name, [own.name for own in everything()] if name.startswith("run:") else SOURCES)


def _of_run(run: Run) -> Source | None:
    """The card of a finished run; None for one that cannot be borrowed from."""
    if run.status != "finished":
        return None
    try:
        spec = run.spec
    except Refused:
        return None
    if spec.dataset not in DATASETS or not spec.network:
        return None
    about = f"A model trained here on {DATASETS[spec.dataset].title}."
    return Source(f"run:{run.id}", title(run), about, spec)


def fits(source: Source, shape: tuple[int, ...]) -> bool:
    """Whether its body's weights can take inputs of ``shape``."""
    if not source.network:
        return True
    try:
        body = NETWORKS[source.network].blocks(shape)
    except IndexError:  # convolutions over a vector
        return False
    return [b.weights for b in body] == [b.weights for b in source.blocks[:-1]]
