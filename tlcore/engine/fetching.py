"""Files from the network: resumed where they were broken off, and checked before they count."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import requests
from filelock import FileLock, Timeout

PATIENCE = 8.0
"""Seconds without a byte after which a download is given up."""
PAUSES = (0.0, 0.3, 0.7, 1.5)
"""Seconds to wait before each attempt; one that brought something begins the row anew."""
PIECE = 1 << 16


class Failed(RuntimeError):
    """A download that could not be had; the message says what to do instead."""


class Broken(Exception):
    """An attempt that ended early: another one may get further."""


class _Refused(Exception):
    """An answer that another attempt would not change."""


@dataclass(frozen=True)
class _Wanted:
    url: str
    target: Path
    size: int | None
    hashes: tuple[tuple[str, str], ...]
    told: Callable[[int, int], None]

    @property
    def part(self) -> Path:
        return self.target.with_name(f"{self.target.name}.part")

    @property
    def note(self) -> Path:
        """Which content the part is of: the server's ETag or date."""
        return self.target.with_name(f"{self.target.name}.part.json")

    def wrong(self, path: Path) -> str | None:
        """What is wrong with a whole file; None when it is as expected."""
        if self.size is not None and (got := path.stat().st_size) != self.size:
            return f"{got:,} bytes came instead of {self.size:,}"
        for kind, expected in self.hashes:
            with path.open("rb") as file:
                got_hash = hashlib.file_digest(file, kind).hexdigest()
            if got_hash != expected.lower():
                return f"what came has the {kind} {got_hash[:12]}… instead of {expected[:12]}…"
        return None

    def begin_anew(self) -> None:
        self.part.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)


def fetch(
    url: str,
    target: Path,
    *,
    size: int | None = None,
    md5: str | None = None,
    sha256: str | None = None,
    told: Callable[[int, int], None] = lambda done, of: None,
    patience: float = PATIENCE,
) -> None:
    """Download ``url`` to ``target``, which is only ever there whole and checked.

    What came so far stays beside it as ``.part`` and is gone on with by the next call, also after a kill.
    ``told(bytes so far, bytes in all or 0)`` is called now and then and may raise to stop. Raises :class:`Failed`
    after ``patience`` seconds in which not one byte came.
    """
    hashes = tuple((kind, value) for kind, value in (("md5", md5), ("sha256", sha256)) if value)
    wanted = _Wanted(url, target, size, hashes, told)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        lock = _alone(wanted)
        try:
            if not target.is_file() or wanted.wrong(target):
                _until_whole(wanted, patience)
        finally:
            lock.release(force=True)
    except _Refused as error:
        raise Failed(_message(wanted, str(error))) from None
    except OSError as error:  # a full disk, a folder that may not be written
        raise Failed(_message(wanted, f"{error.strerror or error}: {error.filename or target}")) from error


def _alone(wanted: _Wanted) -> FileLock:
    """Wait for another process that downloads the same file, and show how far it is."""
    lock = FileLock(wanted.target.with_name(f"{wanted.target.name}.part.lock"))
    while True:
        try:
            lock.acquire(timeout=0.5)
            return lock
        except Timeout:
            wanted.told(_bytes(wanted.part), wanted.size or 0)


def _until_whole(wanted: _Wanted, patience: float) -> None:
    last_byte, fruitless, reason = time.monotonic(), 0, "no answer"
    while fruitless < len(PAUSES):
        time.sleep(PAUSES[fruitless])
        before = _bytes(wanted.part)
        left = patience - (time.monotonic() - last_byte)
        if left <= 0.1:
            break
        try:
            _attempt(wanted, left)
        except Broken as error:
            reason, fruitless = str(error), fruitless + 1
            if _bytes(wanted.part) > before:
                last_byte, fruitless = time.monotonic(), 1
            continue
        wrong = wanted.wrong(wanted.part)
        if wrong is None:
            wanted.part.replace(wanted.target)
            wanted.note.unlink(missing_ok=True)
            return
        wanted.begin_anew()
        if before == 0:
            raise _Refused(wrong)
        # It was put together from two downloads: the whole of one may still be right.
        last_byte, reason, fruitless = time.monotonic(), wrong, fruitless + 1
    raise _Refused(reason)


def _attempt(wanted: _Wanted, seconds: float) -> None:
    """One connection, for as long as bytes keep coming. Raises Broken or _Refused; returns at the file's end."""
    began = time.monotonic()
    scheme = urlsplit(wanted.url).scheme
    if not urllib.request.getproxies().get(scheme):  # behind a proxy only the proxy can tell
        reach(*_address(wanted.url), seconds)
    seconds = max(0.5, seconds - (time.monotonic() - began))
    headers = {"Accept-Encoding": "identity"} | _from_where(wanted)
    try:
        with requests.get(wanted.url, headers=headers, stream=True, timeout=seconds) as answer:
            _check_status(wanted, answer)
            _take(wanted, answer, resumed=answer.status_code == 206)
    except (requests.RequestException, TimeoutError) as error:
        raise Broken(_plain(error)) from None


def _from_where(wanted: _Wanted) -> dict[str, str]:
    """Headers that ask for the rest of what is there: none where nobody could tell that it is of the same content."""
    have = _bytes(wanted.part)
    if not have:
        return {}
    try:
        known = json.loads(wanted.note.read_text())
    except (OSError, ValueError):
        known = {}
    same = known.get("validator") if known.get("url") == wanted.url else None
    if same:
        return {"Range": f"bytes={have}-", "If-Range": same}
    if wanted.hashes and known.get("url") == wanted.url:
        return {"Range": f"bytes={have}-"}
    wanted.begin_anew()
    return {}


def _check_status(wanted: _Wanted, answer: requests.Response) -> None:
    status = answer.status_code
    if status == 416:  # the part is longer than the file, or all of it
        if wanted.wrong(wanted.part) is None and (wanted.hashes or wanted.size):
            return
        wanted.begin_anew()
        raise Broken("the server's file is not the one that was begun")
    if status == 206:
        start = answer.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
        if start == str(_bytes(wanted.part)):
            return
        wanted.begin_anew()
        raise Broken("the server went on from another place than asked")
    if status == 200:
        return
    if status in (408, 425, 429) or status >= 500:
        raise Broken(f"the server answered {status} {answer.reason}")
    raise _Refused(f"the server answered {status} {answer.reason}")


def _take(wanted: _Wanted, answer: requests.Response, resumed: bool) -> None:
    """Write what comes. Flushed piece by piece, so that a killed process loses next to nothing."""
    if answer.status_code == 416:
        return
    if not resumed:
        wanted.begin_anew()
        etag = answer.headers.get("ETag", "")
        validator = etag if etag and not etag.startswith("W/") else answer.headers.get("Last-Modified")
        wanted.note.write_text(json.dumps({"url": wanted.url, "validator": validator}))
    have = _bytes(wanted.part)
    length = answer.headers.get("Content-Length", "")
    coming = have + int(length) if length.isdigit() else 0
    whole = wanted.size or coming
    if coming and coming != whole:
        wanted.begin_anew()
        raise _Refused(f"the server has {coming:,} bytes instead of {whole:,}")
    with wanted.part.open("ab", buffering=0) as file:
        wanted.told(have, whole)
        for piece in answer.iter_content(PIECE):
            file.write(piece)
            have += len(piece)
            if whole and have > whole:
                wanted.begin_anew()
                raise _Refused(f"more came than the {whole:,} bytes expected")
            wanted.told(have, whole)
    if whole and have < whole:
        raise Broken(f"the connection ended after {have:,} of {whole:,} bytes")


def reach(host: str, port: int, seconds: float = PATIENCE) -> None:
    """Find out whether a host answers: behind some firewalls names and connections hang for minutes.

    Raises :class:`Broken`, in ``seconds`` at the latest: looking a name up knows no limit of time of its own.
    """
    outcome: list[OSError | None] = []

    def connect() -> None:
        try:
            socket.create_connection((host, port), timeout=seconds).close()
            outcome.append(None)
        except (OSError, UnicodeError) as error:
            outcome.append(error if isinstance(error, OSError) else OSError(str(error)))

    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise Broken(f"no answer within {seconds:.0f} s")
    if outcome[0] is not None:
        raise Broken(str(outcome[0]))


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _plain(error: Exception) -> str:
    """The innermost reason of an error of the network."""
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    reason: object = error
    while isinstance(reason, Exception) and reason.args and isinstance(reason.args[-1], Exception):
        reason = reason.args[-1]
    return f"the connection broke off: {str(reason)[:200]}"


def _message(wanted: _Wanted, reason: str) -> str:
    host = urlsplit(wanted.url).hostname
    return (
        f"{wanted.target.name} could not be downloaded from {host} ({reason}). Try again later, or download "
        f"{wanted.url} elsewhere and put it, as {wanted.target.name}, into {wanted.target.parent}."
    )


def _bytes(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
