"""The worker of the lanes that need Keras."""

from __future__ import annotations

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from ..home import keras_home

# Keras reads this once, when it is imported: a person's own keras.json does not change what a run computes.
os.environ.setdefault("KERAS_HOME", str(keras_home()))

from ..runs import Run
from . import device, journey, queue

RUNS = 100
"""Runs after which a worker makes room for a fresh one, whatever it may have kept of them."""


def carry_out(run: Run) -> None:
    journey.carry_out(run)
    device.forget()


if __name__ == "__main__":
    queue.drain(carry_out, RUNS)
