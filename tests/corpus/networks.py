"""Networks of strangers: files that are programs, want all memory, or read what is not theirs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .cases import as_json, refused, text, zipped

META = as_json({"keras_version": "3.15.1", "date_saved": "2026-01-01@00:00:00"})


def _layer(kind: str, **config: Any) -> dict[str, Any]:
    return {"module": "keras.layers", "class_name": kind, "config": config, "registered_name": None}


def _network(at: Path, *layers: dict[str, Any], weights: bytes | None = None, **more: bytes) -> Path:
    config = {
        "module": "keras", "class_name": "Sequential", "registered_name": None,
        "config": {"name": "stranger", "layers": [_layer("InputLayer", batch_shape=[None, 8], name="in"), *layers]},
    }  # fmt: skip
    members = {"config.json": as_json(config), "metadata.json": META, "model.weights.h5": weights or _weights(at)}
    return zipped(at, members | more, "upload.keras")


def _weights(at: Path, outside: Path | None = None) -> bytes:
    """A weights file of one dense layer; ``outside``: its kernel lies in another file."""
    import h5py
    import numpy as np

    with h5py.File(at / "weights", "w") as file:
        inside = file.create_group("layers/dense/vars")
        if outside:
            inside.create_dataset("0", (8, 4), "f4", external=[(str(outside), 0, 128)])
            file["layers/dense/linked"] = h5py.ExternalLink(str(outside), "/")
        else:
            inside.create_dataset("0", data=np.ones((8, 4), np.float32))
        inside.create_dataset("1", data=np.zeros(4, np.float32))
    data = (at / "weights").read_bytes()
    (at / "weights").unlink()
    return data


@refused("Lambda", door="network")
def network_with_a_lambda(at: Path) -> Path:
    program = {"class_name": "__lambda__", "config": {"code": "4wAAAAA=", "defaults": None, "closure": None}}
    return _network(at, _layer("Lambda", name="run", function=program))


@refused("TFSMLayer", door="network")
def network_with_another_inside(at: Path) -> Path:
    return _network(at, _layer("TFSMLayer", name="run", filepath="/etc", call_endpoint="serve"))


@refused("units", door="network")
def network_of_a_billion_units(at: Path) -> Path:
    return _network(at, _layer("Dense", name="dense", units=10**9), _layer("Dense", name="next", units=10**9))


@refused("system", door="network")
def network_that_names_a_module(at: Path) -> Path:
    layer = {"module": "os", "class_name": "system", "config": {"command": "touch owned"}, "registered_name": None}
    return _network(at, layer)


@refused("file", door="network")
def network_with_weights_outside(at: Path) -> Path:
    secret = at.parent / "outside" / "secret"
    return _network(at, _layer("Dense", name="dense", units=4), weights=_weights(at, secret))


@refused("StringLookup", door="network")
def network_that_reads_a_word_list(at: Path) -> Path:
    return _network(at, _layer("StringLookup", name="words", vocabulary="/etc/passwd"))


@refused("upload.keras", door="network")
def network_with_a_deep_config(at: Path) -> Path:
    deep = b'{"config":' * 100_000 + b"1" + b"}" * 100_000
    return zipped(at, {"config.json": deep, "metadata.json": META, "model.weights.h5": b""}, "upload.keras")


@refused("upload.keras", door="network")
def network_that_is_none(at: Path) -> Path:
    return text(at, b"just text", "upload.keras")


@refused("upload.h5", door="network")
def weights_cut_short(at: Path) -> Path:
    whole = _weights(at)
    return text(at, whole[: len(whole) // 2], "upload.h5")


@refused("upload.safetensors", door="network")
def tensors_that_lie(at: Path) -> Path:
    head = as_json({"w": {"dtype": "F32", "shape": [2**40, 2**20], "data_offsets": [0, 2**62]}})
    return text(at, len(head).to_bytes(8, "little") + head + bytes(64), "upload.safetensors")
