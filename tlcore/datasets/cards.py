"""The catalogue of datasets: what each is, how much there is of it, and where its examples come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..catalogue import Catalogue
from ..home import dataset_folders
from . import arrays, embedded, letters
from .arrays import Arrays, Facts, Missing, Preview

PREVIEWS = Path(__file__).with_name("previews.npz")
DIGITS = tuple("0123456789")


@dataclass(frozen=True)
class Download:
    """Where Keras' own loader fetches a dataset from: a host to reach, and bytes in all."""

    host: str
    size: int
    examples: tuple[int, int]  # train, test


@dataclass(frozen=True)
class Dataset:
    """A dataset's card. ``shape`` is of one example; ``scale`` is what divides a picture's values to reach 0 to 1."""

    name: str
    title: str
    summary: str
    shape: tuple[int, ...]
    classes: tuple[str, ...]
    loader: Callable[[], Arrays] | None = None
    download: Download | None = None
    scale: float = 1.0
    columns: tuple[str, ...] = ()
    unit: str = "pictures"

    @property
    def is_image(self) -> bool:
        return len(self.shape) == 3

    @property
    def side(self) -> int | None:
        """The side of its pictures in pixels; None for tables."""
        return self.shape[0] if self.is_image else None

    def at(self, size: int | None) -> Dataset:
        """The card with its pictures read at another size, where their originals are kept; else as it is."""
        return self

    @property
    def path(self) -> Path | None:
        """The ready file of a downloaded dataset, where there is one."""
        files = (folder / f"{self.name}.npz" for folder in dataset_folders())
        return next((file for file in files if file.is_file()), None)

    @property
    def ready(self) -> bool:
        """Whether its examples are on this computer."""
        return self.loader is not None or self.path is not None

    @property
    def alike(self) -> list[str]:
        """Other datasets of the same shape and classes: a model of this one can be tried on them."""
        own = (self.shape, self.classes)
        return [name for name, card in DATASETS.items() if card != self and (card.shape, card.classes) == own]

    def load(self) -> Arrays:
        """All examples. Raises :class:`Missing` for a dataset that has not been downloaded, or Damaged."""
        if self.loader:
            return self.loader()
        if path := self.path:
            return arrays.read(path, self.shape, len(self.classes))
        raise Missing(f"{self.name} is not on this computer yet; {self.where_to_put()}")

    def facts(self) -> Facts:
        """How many examples there are, without reading them; as published while they are not downloaded."""
        if self.loader:
            return Facts(tuple(_previews()[f"{self.name}/counts"].tolist()))
        if path := self.path:
            return arrays.glance(path, self.shape, len(self.classes))[0]
        assert self.download
        train, test = (n // len(self.classes) for n in self.download.examples)
        return Facts((train,) * len(self.classes), (test,) * len(self.classes))

    def preview(self) -> Preview | None:
        """A few examples of each class; None while they are not downloaded."""
        if self.loader:
            return Preview(_previews()[f"{self.name}/x"], _previews()[f"{self.name}/y"])
        return arrays.glance(path, self.shape, len(self.classes))[1] if (path := self.path) else None

    def where_to_put(self) -> str:
        """What a person without a network can do."""
        return f"put {self.name}.npz (arrays {', '.join(arrays.KEYS)}) into {dataset_folders()[0]}"


@lru_cache(maxsize=1)
def _previews() -> dict[str, np.ndarray]:
    with np.load(PREVIEWS, allow_pickle=False) as file:
        return dict(file)


def write_previews(path: Path = PREVIEWS, each: int = 8) -> None:
    """Keep counts and a few examples of the embedded datasets, so that cards need neither scikit-learn nor fonts."""
    kept: dict[str, np.ndarray] = {}
    for name, dataset in DATASETS.items():
        if dataset.loader:
            whole = dataset.load()
            kept[f"{name}/counts"] = np.bincount(whole.y, minlength=len(dataset.classes))
            # Spread over a class's examples: neighbours are often of one font or one writer.
            places = [np.flatnonzero(whole.y == label) for label in range(len(dataset.classes))]
            chosen = np.concatenate([own[np.linspace(0, len(own) - 1, each).astype(int)] for own in places])
            kept[f"{name}/x"], kept[f"{name}/y"] = whole.x[chosen], whole.y[chosen]
    np.savez_compressed(path, allow_pickle=False, **kept)


_WINE = (
    "alcohol", "malic acid", "ash", "alcalinity of ash", "magnesium", "total phenols", "flavanoids",
    "nonflavanoid phenols", "proanthocyanins", "color intensity", "hue", "od280/od315", "proline",
)  # fmt: skip
_CELL = (
    "radius", "texture", "perimeter", "area", "smoothness", "compactness", "concavity", "concave points",
    "symmetry", "fractal dimension",
)  # fmt: skip
_FASHION = (
    "T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
_CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_CIFAR100 = tuple(
    """apple|aquarium fish|baby|bear|beaver|bed|bee|beetle|bicycle|bottle|bowl|boy|bridge|bus|butterfly|camel|can|
    castle|caterpillar|cattle|chair|chimpanzee|clock|cloud|cockroach|couch|crab|crocodile|cup|dinosaur|dolphin|
    elephant|flatfish|forest|fox|girl|hamster|house|kangaroo|keyboard|lamp|lawn mower|leopard|lion|lizard|lobster|
    man|maple tree|motorcycle|mountain|mouse|mushroom|oak tree|orange|orchid|otter|palm tree|pear|pickup truck|
    pine tree|plain|plate|poppy|porcupine|possum|rabbit|raccoon|ray|road|rocket|rose|sea|seal|shark|shrew|skunk|
    skyscraper|snail|snake|spider|squirrel|streetcar|sunflower|sweet pepper|table|tank|telephone|television|tiger|
    tractor|train|trout|tulip|turtle|wardrobe|whale|willow tree|wolf|woman|worm""".replace("\n    ", "").split("|")
)

DATASETS = Catalogue(
    "dataset",
    (
        (dataset.name, dataset)
        for dataset in (
            Dataset(
                "digits", "Handwritten digits", "Small scans of digits that 43 people wrote.",
                (8, 8, 1), DIGITS, embedded.digits, scale=16,
            ),
            Dataset(
                "letters", "Printed letters", "Letters in many fonts, slanted, thickened and bent by the program.",
                (8, 8, 1), letters.CHARACTERS, embedded.rendered(letters.CHARACTERS), scale=16,
            ),
            Dataset(
                "printed_digits", "Printed digits", "Digits in the same fonts: the same classes as handwritten ones.",
                (8, 8, 1), DIGITS, embedded.rendered(letters.PRINTED_DIGITS), scale=16,
            ),
            Dataset(
                "wine", "Wine", "Chemical analyses of wines from three growers.",
                (13,), ("grower 1", "grower 2", "grower 3"), embedded.table("load_wine"),
                columns=_WINE, unit="rows",
            ),
            Dataset(
                "breast_cancer", "Breast cancer", "Measurements of cell nuclei, malignant or benign.",
                (30,), ("malignant", "benign"), embedded.table("load_breast_cancer"), unit="rows",
                columns=tuple(f"{kind} {name}" for kind in ("mean", "error of", "worst") for name in _CELL),
            ),
            Dataset(
                "vectors_a", "Vectors A", "A first made-up task on 100 features.",
                (100,), tuple(f"a{n}" for n in range(10)), embedded.vectors("a", 6000),
                columns=tuple(f"x{n}" for n in range(100)), unit="rows",
            ),
            Dataset(
                "vectors_b", "Vectors B", "A second task that shares its hidden structure with the first.",
                (100,), tuple(f"b{n}" for n in range(10)), embedded.vectors("b", 2000),
                columns=tuple(f"x{n}" for n in range(100)), unit="rows",
            ),
            Dataset(
                "mnist", "MNIST", "The classic 70,000 handwritten digits.",
                (28, 28, 1), DIGITS, scale=255,
                download=Download("storage.googleapis.com", 11_490_434, (60_000, 10_000)),
            ),
            Dataset(
                "fashion_mnist", "Fashion-MNIST", "Photographs of clothes, small and grey.",
                (28, 28, 1), _FASHION, scale=255,
                download=Download("storage.googleapis.com", 30_878_645, (60_000, 10_000)),
            ),
            Dataset(
                "cifar10", "CIFAR-10", "Small colour photographs of animals and vehicles.",
                (32, 32, 3), _CIFAR10, scale=255,
                download=Download("www.cs.toronto.edu", 170_498_071, (50_000, 10_000)),
            ),
            Dataset(
                "cifar100", "CIFAR-100", "Small colour photographs of a hundred kinds of things.",
                (32, 32, 3), _CIFAR100, scale=255,
                download=Download("www.cs.toronto.edu", 169_001_437, (50_000, 10_000)),
            ),
        )
    ),
)  # fmt: skip
