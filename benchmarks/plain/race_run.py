"""One run of a race as a script of its own: ``race_run.py EXAMPLES WEIGHTS PHASES BATCH_SIZE LEARNING_RATE SEED``.

Prints the test accuracy of the network that borrows and of the same network from scratch, and the seconds of the
latter. Nothing of this project is in it.
"""

from __future__ import annotations

import json
import sys
import time

import keras
import numpy as np

examples, weights, phases, batch_size, learning_rate, seed = sys.argv[1:]
data, lent = np.load(examples), np.load(weights)
x = {part: data[f"x_{part}"].astype("float32") / data["scale"] for part in ("train", "validation", "test")}
BLOCKS = ("conv1", "conv2", "conv3", "head")


def network() -> dict[str, list[keras.Layer]]:
    """The layers of the small convolutional network, by block."""
    blocks = {
        name: [
            keras.layers.Conv2D(filters, 3, padding="same", use_bias=False, kernel_initializer="he_normal"),
            keras.layers.BatchNormalization(momentum=0.9),
            keras.layers.ReLU(),
        ]
        for name, filters in (("conv1", 32), ("conv2", 64), ("conv3", 128))
    }
    for name in ("conv2", "conv3"):
        blocks[name].append(keras.layers.MaxPooling2D())
    blocks["conv3"].append(keras.layers.GlobalAveragePooling2D())
    return blocks | {"head": [keras.layers.Dense(10, activation="softmax")]}


def accuracy(plan: list[list], borrow: bool) -> float:
    keras.utils.set_random_seed(int(seed))
    blocks = network()
    model = keras.Sequential([keras.Input(x["train"].shape[1:]), *(layer for own in blocks.values() for layer in own)])
    for name in BLOCKS[:3] if borrow else ():
        convolution, norm = blocks[name][:2]
        convolution.set_weights([lent[f"{name}/conv_0/kernel"]])
        norm.set_weights([lent[f"{name}/norm_1/{v}"] for v in ("gamma", "beta", "moving_mean", "moving_variance")])
    for learning, epochs, rate in plan:
        for name, layers in blocks.items():
            for layer in layers:
                layer.trainable = name in learning
        model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
        model.fit(
            x["train"], data["y_train"], batch_size=int(batch_size), epochs=epochs, verbose=0,
            validation_data=(x["validation"], data["y_validation"]),
        )  # fmt: skip
    return float(model.evaluate(x["test"], data["y_test"], verbose=0)[1])


plan = json.loads(phases)
every = sum(epochs for _, epochs, _ in plan)
borrowed, began = accuracy(plan, True), time.perf_counter()
alone = accuracy([[BLOCKS, every, float(learning_rate)]], False)
print(json.dumps([borrowed, alone, time.perf_counter() - began]))
