"""No network is used here: where nobody answers, and where nothing needs to be fetched."""

from __future__ import annotations

import dataclasses
import socket
import time
from pathlib import Path

import numpy as np
import pytest

from tlcore import runs
from tlcore.datasets import DATASETS
from tlcore.datasets.cards import Download
from tlcore.engine import download, journey
from tlcore.engine.teller import Teller


@pytest.fixture
def teller(lab: Path) -> Teller:
    return Teller(runs.create({"dataset": "mnist"}, task=runs.FETCH))


def at(host: str):
    return dataclasses.replace(DATASETS["mnist"], download=Download(host, 1000, (60_000, 10_000)))


@pytest.mark.parametrize("host", ["no-such-host.invalid", "127.0.0.1", "192.0.2.1"])  # no name, refused, no answer
def test_nobody_answers(host: str, lab: Path, teller: Teller):
    began = time.monotonic()
    with pytest.raises(download.Failed) as caught:
        download.fetch(at(host), teller)
    assert time.monotonic() - began < 10
    assert "mnist.npz" in str(caught.value) and str(lab / "datasets") in str(caught.value) and host in str(caught.value)
    assert not (lab / "datasets" / "mnist.npz").exists()


def test_a_job_says_what_to_do_instead(lab: Path, teller: Teller, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(DATASETS, "mnist", at("no-such-host.invalid"))
    run, lock = runs.claim("studio")
    journey.carry_out(run)
    lock.release()
    told = runs.events(run.id)
    assert runs.get(run.id).status == "failed" and told[-1].kind == "failed"
    assert "mnist.npz" in told[-1].data["reason"] and str(lab / "datasets") in told[-1].data["reason"]
    assert "Failed" in told[-1].data["details"]


def test_with_a_ready_file_nothing_is_fetched(
    lab: Path, teller: Teller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    given = tmp_path / "given"
    given.mkdir()
    x, y = np.zeros((40, 28, 28), np.uint8), np.arange(40) % 10
    np.savez(given / "mnist.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    monkeypatch.setenv("TLCORE_DATA", str(given))

    def no_network(*_: object, **__: object) -> None:
        raise AssertionError("somebody asked the network")

    monkeypatch.setattr(socket, "create_connection", no_network)
    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    run, lock = runs.claim("studio")
    journey.carry_out(run)
    lock.release()
    assert runs.get(run.id).status == "finished" and not (lab / "datasets").exists()
    assert len(DATASETS["mnist"].load().x) == 80
