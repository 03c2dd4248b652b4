"""Downloads from a real server on this computer, a good one and bad ones."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tlcore.engine.fetching import PIECE, Failed, fetch

BYTES = os.urandom(1_000_000)
SHA = hashlib.sha256(BYTES).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves ``content``; what else it does is told by its attributes."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.etag = BYTES, '"one"'
        self.ranges, self.breaks, self.slow, self.status = True, [], 0.0, 200
        self.asked: list[tuple[str | None, int]] = []  # (the Range header, the status answered)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/file.bin"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server, wanted = self.server, self.headers.get("Range")
        start, status = 0, server.status
        if wanted and server.ranges and self.headers.get("If-Range") in (None, server.etag):
            start, status = int(wanted.removeprefix("bytes=").rstrip("-")), 206
        server.asked.append((wanted, status))
        if status in (404, 503):
            self.send_error(status)
            return
        body = server.content[start:]
        self.send_response(status)
        if server.etag:
            self.send_header("ETag", server.etag)
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{len(server.content) - 1}/{len(server.content)}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if server.breaks:
            self.wfile.write(body[: server.breaks.pop(0)])
            return
        for at in range(0, len(body), 50_000):
            self.wfile.write(body[at : at + 50_000])
            time.sleep(server.slow)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "new folder" / "file.bin"


def test_a_file_arrives_with_progress(server: Server, target: Path):
    told: list[tuple[int, int]] = []
    fetch(server.url, target, size=len(BYTES), sha256=SHA, told=lambda *now: told.append(now))
    assert target.read_bytes() == BYTES
    assert told[0] == (0, len(BYTES)) and told[-1] == (len(BYTES), len(BYTES)) and told == sorted(told)
    assert not [path for path in target.parent.iterdir() if path.name.endswith((".part", ".json"))]
    fetch(server.url, target, size=len(BYTES), sha256=SHA)
    assert len(server.asked) == 1  # what is there and right is not asked for


def test_broken_connections_are_gone_on_with(server: Server, target: Path):
    server.breaks = [300_000, 200_000]
    fetch(server.url, target, md5=hashlib.md5(BYTES).hexdigest())
    assert target.read_bytes() == BYTES
    assert [status for _, status in server.asked] == [200, 206, 206]
    started = [int(asked.removeprefix("bytes=").rstrip("-")) for asked, _ in server.asked if asked]
    assert 300_000 - PIECE < started[0] < 300_001 and started[0] + 200_000 - PIECE < started[1] <= 500_000


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there")
def test_a_killed_download_goes_on(server: Server, target: Path):
    server.slow = 0.05
    code = (
        "import sys, pathlib; from tlcore.engine.fetching import fetch; fetch(sys.argv[1], pathlib.Path(sys.argv[2]))"
    )
    child = subprocess.Popen([sys.executable, "-c", code, server.url, str(target)], cwd=Path(__file__).parents[1])
    part = target.with_name("file.bin.part")
    end = time.monotonic() + 30
    while not part.exists() or part.stat().st_size < 300_000:
        assert time.monotonic() < end and child.poll() is None
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    have = part.stat().st_size
    assert 300_000 <= have < len(BYTES) and not target.exists()
    server.slow = 0
    fetch(server.url, target, sha256=SHA)
    assert target.read_bytes() == BYTES and server.asked[-1] == (f"bytes={have}-", 206)


def begun(server: Server, target: Path) -> None:
    """Leave a part behind, as a person does who stops a download."""

    class Enough(Exception):
        pass

    def told(done: int, of: int) -> None:
        if done > 200_000:
            raise Enough

    with pytest.raises(Enough):
        fetch(server.url, target, told=told)
    assert target.with_name("file.bin.part").stat().st_size > 200_000


def test_a_stopped_download_keeps_its_part(server: Server, target: Path):
    begun(server, target)
    fetch(server.url, target)
    assert target.read_bytes() == BYTES and server.asked[-1][1] == 206


def test_a_server_without_ranges_begins_anew(server: Server, target: Path):
    begun(server, target)
    server.ranges = False
    fetch(server.url, target, sha256=SHA)
    assert target.read_bytes() == BYTES and server.asked[-1][1] == 200


def test_a_changed_file_begins_anew(server: Server, target: Path):
    begun(server, target)
    server.content, server.etag = BYTES[::-1], '"two"'
    fetch(server.url, target)
    assert target.read_bytes() == BYTES[::-1] and server.asked[-1][1] == 200


def test_without_any_mark_of_the_content_only_a_hash_lets_it_go_on(server: Server, target: Path):
    server.etag = ""
    begun(server, target)
    fetch(server.url, target)
    assert server.asked[-1] == (None, 200) and target.read_bytes() == BYTES
    target.unlink()
    begun(server, target)
    server.content = BYTES[::-1]  # the two halves do not match: it is had once more, whole
    fetch(server.url, target, sha256=hashlib.sha256(BYTES[::-1]).hexdigest())
    assert target.read_bytes() == BYTES[::-1] and [status for _, status in server.asked[-2:]] == [206, 200]


def test_a_whole_part_is_only_checked(server: Server, target: Path):
    begun(server, target)
    with target.with_name("file.bin.part").open("r+b") as file:
        file.write(BYTES)
    fetch(server.url, target, size=len(BYTES), sha256=SHA)
    assert target.read_bytes() == BYTES


@pytest.mark.parametrize("content", [BYTES[:-1] + b"x", BYTES[:1000], BYTES + b"more"])
def test_another_content_is_refused(server: Server, target: Path, content: bytes):
    server.content = content
    with pytest.raises(Failed, match="instead of") as caught:
        fetch(server.url, target, size=len(BYTES), sha256=SHA)
    assert not target.exists() and str(target.parent) in str(caught.value) and server.url in str(caught.value)


def test_an_answer_of_404_is_not_asked_again(server: Server, target: Path):
    server.status = 404
    with pytest.raises(Failed, match="404"):
        fetch(server.url, target)
    assert len(server.asked) == 1


def test_a_server_in_trouble_is_asked_again(server: Server, target: Path):
    server.status = 503
    began = time.monotonic()
    threading.Timer(0.7, lambda: setattr(server, "status", 200)).start()
    fetch(server.url, target)
    assert target.read_bytes() == BYTES and time.monotonic() - began < 5


def test_a_server_that_hangs_is_given_up(server: Server, target: Path):
    server.slow = 60
    began = time.monotonic()
    with pytest.raises(Failed, match=r"file\.bin"):
        fetch(server.url, target, patience=1.5)
    assert time.monotonic() - began < 8  # the first piece counts as a sign of life


@pytest.mark.parametrize("host", ["no-such-host.invalid", "127.0.0.1:9", "192.0.2.1"])  # no name, refused, no answer
def test_nobody_answers(host: str, target: Path):
    began = time.monotonic()
    with pytest.raises(Failed) as caught:
        fetch(f"http://{host}/file.bin", target)
    assert time.monotonic() - began < 10
    assert f"put it, as file.bin, into {target.parent}" in str(caught.value)
