"""The Keras guide's recipe, written plainly: a frozen base, a new head, ``fit``. Nothing of this project is in it.

``python guide.py FOLDER EPOCHS [FIRST_LEARNING_LAYER]``: FOLDER holds x.npy, y.npy (one-hot) of each part, the
weights of the base (base.weights.h5), and in start.npz the head and the seed of its dropout to begin with, so that
both sides can be compared weight for weight. Without a layer the whole base stays frozen.
"""

import json
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

folder, epochs, first = Path(sys.argv[1]), int(sys.argv[2]), (sys.argv[3:] or [None])[0]
start = np.load(folder / "start.npz")
x, y = np.load(folder / "train_x.npy"), np.load(folder / "train_y.npy")
x_checked, y_checked = np.load(folder / "validation_x.npy"), np.load(folder / "validation_y.npy")
x_test, y_test = np.load(folder / "test_x.npy"), np.load(folder / "test_y.npy")

base = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=x.shape[1:], pooling="avg")
base.load_weights(folder / "base.weights.h5")
base.trainable = False
if first:
    base.trainable = True
    names = [layer.name for layer in base.layers]
    for layer in base.layers[: names.index(first)]:
        layer.trainable = False
    for layer in base.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.9
inputs = keras.Input(x.shape[1:])
features = keras.layers.Rescaling(1 / 127.5, offset=-1)(inputs)
features = base(features) if first else base(features, training=False)
dropout, dense = keras.layers.Dropout(0.2), keras.layers.Dense(y.shape[1])
model = keras.Model(inputs, keras.layers.Softmax()(dense(dropout(features))))
dense.set_weights([start["kernel"], start["bias"]])
dropout.seed_generator.state.assign(start["seed"])


def batches():
    """Epochs in the order that the other side takes."""
    epoch = 0
    while True:
        order = np.random.default_rng((0, epoch)).permutation(len(x))
        for at in range(0, len(x), int(start["batch_size"])):
            where = order[at : at + int(start["batch_size"])]
            yield x[where], y[where]
        epoch += 1


signature = (tf.TensorSpec((None, *x.shape[1:]), x.dtype), tf.TensorSpec((None, y.shape[1]), tf.float32))
fed = tf.data.Dataset.from_generator(batches, output_signature=signature).prefetch(2)
model.compile(optimizer=keras.optimizers.Adam(float(start["learning_rate"])), loss="categorical_crossentropy",
              metrics=["accuracy"])  # fmt: skip
model.fit(fed, steps_per_epoch=-(-len(x) // int(start["batch_size"])), epochs=epochs, verbose=0,
          validation_data=(x_checked, y_checked))  # fmt: skip
_, accuracy = model.evaluate(x_test, y_test, verbose=0)
weights = {f"{layer.name}/{v.path.rpartition('/')[2]}": np.asarray(v) for layer in base.layers for v in layer.weights}
np.savez(
    folder / "plain.npz", **{"head/kernel": np.asarray(dense.kernel), "head/bias": np.asarray(dense.bias)}, **weights
)
print(json.dumps({"accuracy": accuracy}))
