"""Nothing is computed twice: runs with kept features against plain Keras scripts, side by side, everything counted.

MobileNetV2 at 160 pixels and 1,000 training pictures of CIFAR-10, from random weights that all sides share (the speed
does not depend on them). Both sides are processes of their own; imports, extraction, evaluation and saving are counted.
The plain scripts are those of ``benchmarks/plain``. ``TLCORE_TEST_DATA`` names a folder with ``cifar10.zip``.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from statistics import median
from typing import Any

import bench
from bench import Figure
from photographs import imported

from tlcore import RunSpec, admission, features, runs
from tlcore.home import keras_home
from tlcore.pretrained import ARCHITECTURES

SIDE, A_CLASS, IN_ZIP = 160, 100, 150
SPEC = RunSpec(
    source="imagenet/mobilenet_v2", strategy="linear_probe", samples_per_class=A_CLASS, validation_share=0.05,
    image_size=SIDE, epochs=50, learning_rate=0.001, control=False,
)  # fmt: skip
LAST = SPEC.revised(strategy="last_blocks", blocks=1, epochs=20)
ALIKE = 1e-5
"""Most by which weights may differ, as a share of the largest of their tensor where that is above 1."""


def pictures(cifar: Path, target: Path) -> None:
    """A zip of the first so many pictures of each class, made larger."""
    from PIL import Image

    taken: dict[str, int] = {}
    with zipfile.ZipFile(cifar) as source, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as chosen:
        for name in sorted(own for own in source.namelist() if own.startswith("train/") and own.endswith(".jpg")):
            label = name.split("/")[-2]
            if taken.get(label, 0) < IN_ZIP:
                taken[label] = taken.get(label, 0) + 1
                out = io.BytesIO()
                with Image.open(source.open(name)) as small:
                    small.resize((SIDE, SIDE), Image.Resampling.BILINEAR).save(out, "png", compress_level=1)
                chosen.writestr(f"{label}/{taken[label]}.png", out.getvalue())


def in_engine(code: str, *arguments: str) -> dict[str, Any]:
    """What a piece of Keras code prints as JSON: this process itself loads no Keras."""
    done = subprocess.run([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


PREPARE = """
import json, sys, keras, numpy as np
from pathlib import Path
from tlcore import RunSpec, admission
from tlcore.datasets import dataset
from tlcore.engine import batches, journey
from tlcore.engine.network import Network
spec, folder = admission.admit(RunSpec.from_json(sys.argv[1])), Path(sys.argv[2])
blocks, card = admission.blocks(spec), dataset(spec.dataset).at(spec.image_size)
parts = journey._parts(card, spec, blocks)
keras.utils.set_random_seed(spec.seed)
network = Network(blocks, parts.preprocess(), parts.card.shape, spec.network)
head = network.blocks[-1]
keras.utils.set_random_seed(spec.seed)
for part in ("train", "validation", "test"):
    own = getattr(parts, part)
    np.save(folder / f"{part}_x.npy", own.x[:]), np.save(folder / f"{part}_y.npy", own.y)
np.savez(folder / "start.npz", kernel=head.get_weights()[-2], bias=head.get_weights()[-1],
         seed=np.asarray(head.layers[0].seed_generator.state), learning_rate=spec.learning_rate,
         batch_size=batches.even_batch_size(len(parts.train), spec.batch_size))
print(json.dumps({"train": len(parts.train), "validation": len(parts.validation), "test": len(parts.test)}))
"""
WEIGHTS = """
import h5py, keras, sys
from keras.src.legacy.saving import legacy_h5_format
keras.utils.set_random_seed(1)
network = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(224, 224, 3), pooling="avg")
network.save_weights(sys.argv[1])
with h5py.File(sys.argv[2], "w") as published:  # in the format in which Keras publishes them
    legacy_h5_format.save_weights_to_hdf5_group(published, network)
print("{}")
"""


BEHIND = """
import json, keras, sys
network = keras.applications.MobileNetV2(include_top=False, weights=None)
names = [layer.name for layer in network.layers]
print(json.dumps({"layer": names[names.index(sys.argv[1]) + 1]}))
"""


def run_plainly(script: str, folder: Path, *arguments: str) -> tuple[float, dict[str, Any]]:
    """Seconds of a plain script from its start to its end, and what it found."""
    command = [sys.executable, str(bench.ROOT / "benchmarks/plain" / script), str(folder), *arguments]
    found: dict[str, Any] = {}

    def work() -> None:
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        found.update(json.loads(done.stdout.splitlines()[-1]))

    return bench.seconds(work), found


def ours(spec: RunSpec, home: Path, *, warm: bool = False) -> tuple[float, runs.Run]:
    """Seconds of the command line from its start to its end, and the run; with a fresh engine unless ``warm``."""
    from tests.browser import end_engines

    if not warm:
        end_engines(home)
    path = home / "spec.json"
    path.write_text(spec.to_json())
    command = [sys.executable, "-m", "tlcore", "run", "--spec", str(path), "--json"]
    found: dict[str, Any] = {}

    def work() -> None:
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        found.update(json.loads(done.stdout.splitlines()[-1]))

    taken = bench.seconds(work)
    return taken, runs.get(found["run"])


def apart(run: runs.Run, folder: Path, blocks: tuple[str, ...]) -> float:
    """The largest difference between the weights that learnt on both sides."""
    import numpy as np

    worst = 0.0
    with np.load(run.folder / "weights.npz") as own, np.load(folder / "plain.npz") as plain:
        for path in own.files:
            block, _, rest = path.partition("/")
            if block in blocks:
                other = plain[f"head/{rest.rpartition('/')[2]}" if block == "head" else rest]
                worst = max(worst, float(np.abs(own[path] - other).max() / max(1.0, np.abs(other).max())))
    return worst


def probe(folder: Path, home: Path, spec: RunSpec) -> list[Figure]:
    """A linear probe against the plain recipe, against the least that it can cost, and once more."""
    slow, guide = run_plainly("guide.py", folder, str(spec.epochs))
    first, limits, warm = list[float](), list[float](), list[float]()
    for turn in range(3):
        limits.append(run_plainly("limit.py", folder, str(spec.epochs))[0])
        features.clear()
        taken, run = ours(spec, home)
        first.append(taken)
        assert turn or run.result
        taken, again = ours(spec, home, warm=True)
        warm.append(taken)
    cold, _ = ours(spec, home)
    result, least, kept = run.result or {}, median(limits), median(warm)
    off, same = apart(run, folder, ("head",)), apart(again, folder, ("head",))
    accuracies = f"accuracy {result['test']['accuracy']:.3f} and {guide['accuracy']:.3f}"
    what = f"MobileNetV2 at {SIDE} px, 1,000 pictures, {spec.epochs} epochs"
    return [
        Figure(f"linear probe, {what}: plain `fit` {slow:.0f} s, here {median(first):.1f} s; {accuracies}",
               f"{slow / median(first):.1f} × faster", "≥ 20 ×", slow / median(first) >= 20),
        Figure("the same: largest difference of weights", f"{off:.1e}", f"≤ {ALIKE:g}", max(off, same) <= ALIKE),
        Figure(f"the same against one forward pass and the bare training of a head ({least:.1f} s)",
               f"{median(first) / least:.2f} ×", "≤ 1.25 ×", median(first) / least <= 1.25),
        Figure(f"the same again, features kept, engine awake: {kept:.2f} s", f"{slow / kept:.0f} × faster", "≥ 100 ×",
               slow / kept >= 100),
        Figure(f"the same again, features kept, engine to be started: {cold:.1f} s", f"{slow / cold:.0f} × faster"),
    ]  # fmt: skip


def last_block(folder: Path, home: Path, spec: RunSpec) -> list[Figure]:
    layout = ARCHITECTURES["mobilenet_v2"].layout
    blocks = admission.blocks(spec)
    learning = (blocks[-2].name, "head")
    # The plain script freezes all layers up to the last one of the block before.
    slow, guide = run_plainly("guide.py", folder, str(spec.epochs), in_engine(BEHIND, layout[-2].end)["layer"])
    features.clear()
    taken, run = ours(spec, home)
    off, result = apart(run, folder, learning), run.result or {}
    accuracies = f"accuracy {result['test']['accuracy']:.3f} and {guide['accuracy']:.3f}"
    return [
        Figure(f"last block learning, {spec.epochs} epochs: plain `fit` {slow:.0f} s, here {taken:.1f} s; "
               f"{accuracies}", f"{slow / taken:.1f} × faster", "≥ 2 ×", slow / taken >= 2),
        Figure("the same: largest difference of weights", f"{off:.1e}", f"≤ {ALIKE:g}", off <= ALIKE),
    ]  # fmt: skip


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    data = Path(os.environ.get("TLCORE_TEST_DATA", ""))
    if not (data / "cifar10.zip").is_file():
        print("speed.py skipped: TLCORE_TEST_DATA names no folder with cifar10.zip")
        sys.exit(0)
    os.environ.pop("KERAS_HOME", None)
    with bench.fresh_home() as home:
        folder = home / "plain"
        folder.mkdir()
        pictures(data / "cifar10.zip", folder / "pictures.zip")
        published = keras_home() / "models" / ARCHITECTURES["mobilenet_v2"].file
        published.parent.mkdir(parents=True)
        in_engine(WEIGHTS, str(folder / "base.weights.h5"), str(published))
        spec = admission.admit(SPEC.revised(dataset=imported(folder / "pictures.zip", SIDE)))
        sizes = in_engine(PREPARE, spec.to_json(), str(folder))
        print(
            f"{sizes['train']:,} pictures to learn from, {sizes['validation']} to watch, {sizes['test']} for the test\n"
        )
        figures = probe(folder, home, spec) + last_block(
            folder, home, admission.admit(LAST.revised(dataset=spec.dataset))
        )
    bench.report(figures)


if __name__ == "__main__":
    main()
