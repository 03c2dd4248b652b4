"""Transfer Lab's core: take what one neural network has learnt and transfer it to other data."""

from .spec import RunSpec
from .worker import train

__all__ = ["RunSpec", "train"]
__version__ = "0.2.0"
