"""What there is to learn from."""

from ..catalogue import UnknownName
from . import library
from .arrays import Arrays, Damaged, Facts, Missing, Preview, Rows
from .cards import DATASETS, Dataset
from .library import Own
from .split import Split, most_samples_per_class, split, split_sizes

__all__ = [
    "DATASETS", "Arrays", "Damaged", "Dataset", "Facts", "Missing", "Own", "Preview", "Rows", "Split",
    "dataset", "everything", "most_samples_per_class", "split", "split_sizes",
]  # fmt: skip


def dataset(name: str) -> Dataset:
    """The card of a dataset: a shipped one, or a version of a person's own. Raises UnknownName."""
    if name in DATASETS:
        return DATASETS[name]
    if name.startswith("data-"):
        return library.card(name)
    raise UnknownName("dataset", name, [*DATASETS, *library.ids()])


def everything() -> list[Dataset]:
    """People's own datasets, newest first, then the shipped ones."""
    return [*map(library.card, library.ids()), *DATASETS.values()]
