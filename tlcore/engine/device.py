"""Which device a run computes on."""

from __future__ import annotations

from contextlib import AbstractContextManager

import keras
import tensorflow as tf


def prepare() -> None:
    """Once a process: take GPU memory as it is needed, and compute the same way each time."""
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
    if not tf.config.list_physical_devices("GPU"):
        tf.config.experimental.enable_op_determinism()


def chosen(device: str) -> tuple[str, AbstractContextManager[object]]:
    """The device's name for people, and the scope to compute in. Raises RuntimeError where there is no GPU."""
    gpus = tf.config.list_physical_devices("GPU")
    if device == "gpu" and not gpus:
        raise RuntimeError("TensorFlow sees no GPU here: choose the device 'auto' or 'cpu'")
    if gpus and device != "cpu":
        details = tf.config.experimental.get_device_details(gpus[0])
        return details.get("device_name", "GPU"), keras.device("gpu:0")
    return "CPU", keras.device("cpu:0")
