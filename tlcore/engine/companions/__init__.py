"""The second loss of strategies that have one: the source's own task, or what the source network sees.

A companion lends the phase in which everything learns a model and batches of its own. Of the logs, ``loss`` is of the
whole objective; ``accuracy``, ``val_loss`` and ``val_accuracy`` are of the target's task alone, so that they compare
with any other strategy's.

Networks and companions are made in the scope of the run's device. Making one draws from Keras' random state.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...datasets import Dataset
from ...sources import source
from ...spec import RunSpec
from ...strategies import STRATEGIES
from ..borrow import Unfit
from ..network import Network
from ..teller import Teller
from .companion import Companion
from .distil import Distil
from .multi_task import MultiTask

if TYPE_CHECKING:
    from ..training import Examples  # which knows companions itself

__all__ = ["Companion", "Distil", "MultiTask", "of"]


def of(
    spec: RunSpec, network: Network, train: Examples, card: Dataset, weights: Path | None, teller: Teller
) -> Companion | None:
    """The companion of a question, None where its strategy has no second loss.

    ``network`` is about to learn, with what was copied; ``train`` and ``card`` are the target's; ``weights`` is the
    source's file. A teacher looks at all training examples here: the teller hears the stage "features" with its
    progress, and Stopped is raised when asked to stop. Raises Unfit where source and target do not go together.
    """
    objective = STRATEGIES[spec.strategy].objective
    if objective not in ("multi_task", "distil"):
        return None
    if weights is None:
        raise Unfit(f"The strategy {spec.strategy} needs weights, and the source {spec.source} has none.")
    if objective == "multi_task":
        return MultiTask(spec, network, source(spec.source), weights)
    return Distil(spec, network, source(spec.source), train, card, weights, teller)
