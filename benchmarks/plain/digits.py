"""Letters to digits as one bare Keras script: the head first, then everything. Nothing of this project is in it.

``python digits.py FOLDER``: FOLDER holds the examples (examples.npz: x, y one-hot and positions of each part), the
source's weights (weights.npz, by block and layer) and takes the finished model.
"""

import json
import sys
from pathlib import Path

import keras
import numpy as np

folder = Path(sys.argv[1])
keras.utils.set_random_seed(0)
with np.load(folder / "examples.npz") as file:
    x, y = file["x"], file["y"]
    train, validation, test = file["train"], file["validation"], file["test"]
model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Rescaling(1 / 16)])
for filters, pool in ((32, False), (64, True), (128, True)):
    model.add(keras.layers.Conv2D(filters, 3, padding="same", use_bias=False, kernel_initializer="he_normal"))
    model.add(keras.layers.BatchNormalization(momentum=0.9))
    model.add(keras.layers.ReLU())
    if pool:
        model.add(keras.layers.MaxPooling2D())
model.add(keras.layers.GlobalAveragePooling2D())
model.add(keras.layers.Dense(10, activation="softmax"))
body = [layer for layer in model.layers[:-1] if layer.weights]
with np.load(folder / "weights.npz") as file:
    arrays = [file[name] for name in file.files if not name.startswith("head/")]
for layer in body:
    layer.set_weights([arrays.pop(0) for _ in layer.weights])

for rate, learns in ((0.01, False), (0.001, True)):
    for layer in body:
        layer.trainable = learns
    model.compile(optimizer=keras.optimizers.Adam(rate), loss="categorical_crossentropy", metrics=["accuracy"])
    model.fit(x[train], y[train], batch_size=25, epochs=30, verbose=0, validation_data=(x[validation], y[validation]))
answers = model.predict(x[test], verbose=0)
model.save(folder / "plain.keras")
print(json.dumps({"accuracy": float((answers.argmax(1) == y[test].argmax(1)).mean())}))
