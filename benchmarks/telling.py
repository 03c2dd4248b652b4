"""What telling every epoch costs: the same Keras fit with and without the engine's callback, in turns."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable
from typing import Any

import bench
from bench import Figure

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

BATCHES = (16, 32, 128)
EXAMPLES, PAIRS = 2048, 30
BAR = 2.0


class Bench:
    """One small network on the letters, its optimizer, and a run to tell of."""

    def __init__(self, batch_size: int):
        import keras

        from tlcore import admission, runs
        from tlcore.datasets import DATASETS
        from tlcore.engine import device
        from tlcore.engine.network import Network
        from tlcore.engine.optimizers import OPTIMIZERS
        from tlcore.sources import SOURCES

        device.prepare()
        keras.utils.set_random_seed(0)
        spec, self.batch_size = SOURCES["letters"].spec, batch_size
        assert spec
        dataset = DATASETS[spec.dataset]
        arrays = dataset.load()
        self.x = arrays.x[:EXAMPLES]
        self.y = keras.utils.to_categorical(arrays.y[:EXAMPLES], len(dataset.classes))
        network = Network(admission.blocks(spec), keras.layers.Rescaling(1 / dataset.scale))
        self.model = network.whole()
        self.model.compile(
            optimizer=OPTIMIZERS[spec.optimizer](spec.learning_rate), loss="categorical_crossentropy",
            metrics=["accuracy"],
        )  # fmt: skip
        self.run = runs.create(spec.revised(batch_size=batch_size))

    def fit(self, *callbacks: Any) -> float:
        """Milliseconds of one epoch, with validation as in any run."""
        return 1000 * bench.seconds(
            lambda: self.model.fit(
                self.x, self.y, validation_data=(self.x[:512], self.y[:512]), epochs=1, batch_size=self.batch_size,
                verbose=0, callbacks=[*callbacks],
            )
        )  # fmt: skip

    def teller(self) -> Any:
        """The engine's callback for this run."""
        from tlcore.engine.epochs import EpochTeller
        from tlcore.engine.teller import Teller

        return EpochTeller(Teller(self.run), "transfer", 0, 0, len(self.x), self.batch_size)

    def told(self) -> float:
        """The same epoch, told."""
        return self.fit(self.teller())

    def inside(self) -> float:
        """Share of a told epoch spent in the callback's own methods, in percent."""
        taken: list[float] = []
        teller = self.teller()
        for name in ("on_epoch_begin", "on_train_batch_end", "on_test_batch_end", "on_epoch_end"):
            setattr(teller, name, clocked(getattr(teller, name), taken))
        whole = self.fit(teller)
        return 100 * sum(taken) / whole


def clocked(method: Callable[..., None], taken: list[float]) -> Callable[..., None]:
    """The same method, its milliseconds noted."""

    def call(*values: Any, **named: Any) -> None:
        taken.append(1000 * bench.seconds(lambda: method(*values, **named)))

    return call


def interval(values: list[float]) -> tuple[float, float]:
    """A 95 % interval of the median, from order statistics: how far noise alone may carry it."""
    half = 1.96 * len(values) ** 0.5 / 2
    places = round(len(values) / 2 - half), round(len(values) / 2 + half)
    return sorted(values)[places[0]], sorted(values)[places[1]]


def compare(batch_size: int) -> list[Figure]:
    own = Bench(batch_size)
    own.fit(), own.told()  # what is traced and compiled once is paid here
    told: list[float] = []
    silent: list[float] = []
    for number in range(PAIRS):
        for tells in (True, False) if number % 2 else (False, True):
            (told if tells else silent).append(own.told() if tells else own.fit())
    usual = statistics.median(silent)
    shares = [100 * (a - b) / usual for a, b in zip(told, silent, strict=True)]
    share, (low, high) = statistics.median(shares), interval(shares)
    inside = statistics.median(own.inside() for _ in range(5))
    what = f"batches of {batch_size}, {-(-EXAMPLES // batch_size)} an epoch"
    return [
        Figure(f"{what}: an epoch untold, and told", f"{usual:.0f} ms, {statistics.median(told):.0f} ms"),
        Figure(f"{what}: telling, median of {PAIRS} pairs (95 % interval)",
               f"{share:+.1f} % ({low:+.1f} to {high:+.1f})", f"≤ {BAR:g} %", share <= BAR),
        Figure(f"{what}: of which inside the callback", f"{inside:.2f} %", f"≤ {BAR:g} %", inside <= BAR),
    ]  # fmt: skip


def main() -> None:
    with bench.fresh_home():
        figures = [figure for batch_size in BATCHES for figure in compare(batch_size)]
    bench.report(figures)


if __name__ == "__main__":
    main()
