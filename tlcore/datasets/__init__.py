"""What there is to learn from."""

from .arrays import Arrays, Damaged, Facts, Missing, Preview
from .cards import DATASETS, Dataset
from .split import Split, split, split_sizes

__all__ = ["DATASETS", "Arrays", "Damaged", "Dataset", "Facts", "Missing", "Preview", "Split", "split", "split_sizes"]
