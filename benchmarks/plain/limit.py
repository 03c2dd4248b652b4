"""The least that a linear probe can cost: one forward pass over the pictures, and the bare training of a head.

``python limit.py FOLDER EPOCHS``, with the folder of guide.py.
"""

import json
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

folder, epochs = Path(sys.argv[1]), int(sys.argv[2])
start = np.load(folder / "start.npz")
size = int(start["batch_size"])
x, y = ({part: np.load(folder / f"{part}_{axis}.npy") for part in ("train", "validation", "test")} for axis in "xy")
base = keras.applications.MobileNetV2(
    include_top=False, weights=None, input_shape=x["train"].shape[1:], pooling="avg"
)  # fmt: skip
base.load_weights(folder / "base.weights.h5")
inputs = keras.Input(x["train"].shape[1:])
front = keras.Model(inputs, base(keras.layers.Rescaling(1 / 127.5, offset=-1)(inputs), training=False))
seen = {part: tf.constant(front.predict(own, batch_size=64, verbose=0)) for part, own in x.items()}
y = {part: tf.constant(own) for part, own in y.items()}

kernel, bias = keras.Variable(start["kernel"]), keras.Variable(start["bias"])
optimizer = keras.optimizers.Adam(float(start["learning_rate"]))
optimizer.build([kernel, bias])


@tf.function(input_signature=[tf.TensorSpec((None,), tf.int32)])
def epoch(order):
    for at in tf.range(0, tf.shape(order)[0], size):
        where = order[at : at + size]
        with tf.GradientTape() as tape:
            answers = tf.nn.dropout(tf.gather(seen["train"], where), 0.2) @ kernel.value + bias.value
            loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(tf.gather(y["train"], where), answers))
        optimizer.apply(tape.gradient(loss, [kernel.value, bias.value]), [kernel, bias])


for number in range(epochs):
    epoch(np.random.default_rng((0, number)).permutation(len(y["train"])).astype(np.int32))
right = tf.argmax(seen["test"] @ kernel.value + bias.value, 1) == tf.argmax(y["test"], 1)
print(json.dumps({"accuracy": float(tf.reduce_mean(tf.cast(right, tf.float32)))}))
