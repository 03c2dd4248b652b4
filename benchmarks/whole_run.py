"""A whole small run, letters to digits without a control, against the same work in one bare Keras script.

From the start of the command to its end on both sides: processes and imports are counted, and so is everything that
a run keeps besides (events, receipt, predictions). The source has been trained before, for both.
"""

from __future__ import annotations

import argparse
import json
import shutil
from statistics import median

import bench
from bench import Figure
from speed import in_engine, ours, run_plainly

from tlcore import admission, runs, worker
from tlcore.recipes import RECIPES
from tlcore.sources import source

SPEC = RECIPES["letters-to-digits"].specs[0].revised(control=False)
TURNS = 5
PREPARE = """
import json, sys, numpy as np
from tlcore import RunSpec
from tlcore.datasets import dataset, split
spec = RunSpec.from_json(sys.argv[1])
arrays = dataset(spec.dataset).load()
where = split(arrays, samples_per_class=spec.samples_per_class, validation_share=spec.validation_share,
              test_share=spec.test_share, seed=spec.seed)
np.savez(sys.argv[2], x=arrays.x, y=np.eye(10, dtype=np.float32)[arrays.y], train=where.train,
         validation=where.validation, test=where.test)
print("{}")
"""


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    with bench.fresh_home() as home:
        spec = admission.admit(SPEC)
        assert worker.train(spec).status == "finished"  # the source is trained on the way
        folder = home / "plain"
        folder.mkdir()
        in_engine(PREPARE, spec.to_json(), str(folder / "examples.npz"))
        shutil.copy(runs.folder(source(spec.source).run or "") / "weights.npz", folder)
        plain, whole, accuracies = list[float](), list[float](), dict[str, float]()
        for _ in range(TURNS):
            taken, found = run_plainly("digits.py", folder)
            plain.append(taken)
            accuracies["plain"] = found["accuracy"]
            taken, run = ours(spec, home)
            whole.append(taken)
            accuracies["run"] = (run.result or {})["test"]["accuracy"]
    ratio = median(whole) / median(plain)
    print(json.dumps({"plain": plain, "run": whole}))
    said = f"accuracy {accuracies['run']:.3f} and {accuracies['plain']:.3f}"
    bench.report(
        [
            Figure(f"letters → digits, a whole run {median(whole):.1f} s, a bare script {median(plain):.1f} s; {said}",
                   f"{ratio:.2f} ×", "≤ 1.3 ×", ratio <= 1.3),
        ]
    )  # fmt: skip


if __name__ == "__main__":
    main()
