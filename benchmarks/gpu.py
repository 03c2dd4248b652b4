"""What a GPU does for the engine: the same work on it and on the CPU, in fewer bits and in float32.

Two kinds of work on made-up pictures, with the engine's own functions and random weights (the speed does not depend on
them): looking through pictures for features behind the whole body, as for a linear probe, and fine-tuning everything.
``KERAS_BACKEND=jax python benchmarks/gpu.py`` measures the same under JAX. XLA follows Keras' own rule. Where there is
no GPU it says so and ends well; ``--cpu`` shows on a few small pictures that the script itself works.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import bench

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

CLASSES, EPOCHS, BATCH = 10, 3, 64
COLUMNS = ("work", "device", "precision", "XLA", "pictures/s", "seconds until it ran", "last loss")


def built(network: str, side: int) -> Any:
    import keras

    from tlcore.engine import pretrained
    from tlcore.engine.network import Network
    from tlcore.pretrained import ARCHITECTURES

    card = ARCHITECTURES[network]
    keras.utils.set_random_seed(0)
    inputs = keras.Input((side, side, 3))
    before = keras.Model(inputs, pretrained.preprocess(card)(inputs), name="preprocess")
    return Network(card.whole((side, side, 3), CLASSES), before, (side, side, 3), network)


def features(network: Any, x: Any) -> dict[str, Any]:
    """Pictures a second through the frozen body, the second time; the first one also builds and compiles."""
    from tlcore.engine import batches

    front = network.front(len(network.blocks) - 1)
    first, second = (bench.seconds(lambda: batches.through(front, x)) for _ in range(2))
    return {"rate": len(x) / second, "start": first - second, "xla": bool(front.jit_compile)}


def fine_tuning(network: Any, x: Any, y: Any) -> dict[str, Any]:
    """Pictures a second while everything learns, after the first epoch, which also builds and compiles."""
    from tlcore import RunSpec, runs
    from tlcore.engine import training
    from tlcore.engine.teller import Teller
    from tlcore.strategies import STRATEGIES

    spec = RunSpec(strategy="fine_tune", network=network.body, epochs=EPOCHS, batch_size=BATCH, learning_rate=0.001)
    teller, few = Teller(runs.create(spec)), training.Examples(x[:BATCH], y[:BATCH])
    plan = STRATEGIES["fine_tune"].plan(spec, network.names)
    training.carry_out(network, plan, "transfer", spec, training.Examples(x, y), few, teller)
    epochs = [event.data for event in runs.events(teller.run) if event.kind == "epoch"]
    later = sum(epoch["seconds"] for epoch in epochs[1:]) / len(epochs[1:])
    return {
        "rate": len(x) / later, "start": epochs[0]["seconds"] - later, "loss": epochs[-1]["loss"],
        "xla": bool(network.whole().jit_compile),
    }  # fmt: skip


def measured(wanted: str, bits: str | None, network: str, side: int, pictures: int) -> list[dict[str, Any]]:
    """Both kinds of work on one device, in ``bits`` or in what the engine chooses there."""
    import numpy as np

    from tlcore.engine import device
    from tlcore.pretrained import ARCHITECTURES

    random = np.random.default_rng(0)
    x = random.integers(0, 256, (pictures, side, side, 3), np.uint8)
    y = np.eye(CLASSES, dtype=np.float32)[np.arange(pictures) % CLASSES]
    name, scope = device.chosen(wanted, ARCHITECTURES[network].whole((side, side, 3), CLASSES) if bits is None else ())
    found = []
    with scope:
        own = built(network, side)
        with device.narrowed(own):
            told = {"device": name.partition(", mixed")[0], "precision": device.current_precision()}
            found.append({"work": "features", **told, **features(own, x)})
            found.append({"work": "fine-tuning", **told, **fine_tuning(own, x, y)})
    return found


def row(found: dict[str, Any]) -> list[str]:
    return [
        found["work"], found["device"], found["precision"].replace("_", " "), "yes" if found["xla"] else "no",
        f"{found['rate']:,.0f}", f"{found['start']:.1f}", f"{found['loss']:.3f}" if "loss" in found else "",
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cpu", action="store_true", help="a tiny version on the CPU, to prove the script")
    parser.add_argument("--network", default=None, help="one of ImageNet's (default: mobilenet_v2)")
    parser.add_argument("--side", type=int, default=None, help="pixels (default: 160)")
    parser.add_argument("--pictures", type=int, default=None, help="on the GPU (default: 4,096); an eighth on the CPU")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write all figures there")
    arguments = parser.parse_args()
    path = arguments.json and arguments.json.resolve()
    with bench.fresh_home():
        import keras

        from tlcore.engine import device

        device.prepare()
        cards, backend = device.gpus(), keras.backend.backend()
        print(f"gpu.py on {bench.machine()}, Keras {keras.__version__} on {backend}; GPUs: "
              f"{', '.join(card.name for card in cards) or 'none'}\n")  # fmt: skip
        if not cards and not arguments.cpu:
            print("not measured: no GPU here (--cpu runs a tiny version on the CPU)")
            rows = []
        else:
            tiny = arguments.cpu
            network = arguments.network or ("mobilenet_0.25" if tiny else "mobilenet_v2")
            side, pictures = arguments.side or (64 if tiny else 160), arguments.pictures or (128 if tiny else 4096)
            rows = measured("cpu", "float32", network, side, pictures if tiny else pictures // 8)
            if not tiny:
                rows += measured("gpu", "float32", network, side, pictures) + measured(
                    "gpu", None, network, side, pictures
                )
                if len(cards) > 1 and backend == "tensorflow":
                    rows += measured("gpus", None, network, side, pictures)
            print(f"{network}, {side} pixels, batches of {BATCH} in fine-tuning\n")
            print(bench.table(COLUMNS, map(row, rows)))
        if path:
            whole = {"machine": bench.machine(), "keras": keras.__version__, "backend": backend,
                     "gpus": [card.name for card in cards], "rows": rows}  # fmt: skip
            path.write_text(json.dumps(whole, indent=1))


if __name__ == "__main__":
    main()
