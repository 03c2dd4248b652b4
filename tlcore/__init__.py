"""Transfer Lab's core: take what one neural network has learnt and transfer it to other data."""

from .spec import Phase, RunSpec
from .worker import train

__all__ = ["Phase", "RunSpec", "train"]
__version__ = "0.3.0"
