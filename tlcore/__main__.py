"""The command line: ``python -m tlcore``.

Exit status 0: finished; 1: failed, stopped or lost; 2: refused input, told in one line; 130: interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sqlite3
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, NoReturn

from . import __version__, asking, bringing, console, consulting, features, listings, live, racing, runs, worker
from .catalogue import UnknownName
from .database import DamagedHome
from .datasets import dataset, library
from .home import home
from .recipes import DEFAULT
from .runs import UnknownRun
from .sources import source
from .spec import Problem, Refused

PROGRAM = "python -m tlcore"
LISTS = {
    "datasets": ("List what there is to learn from.",
                 ("name", "title", "kind", "shape", "classes", "examples", "ready"), listings.datasets),
    "sources": ("List what there is to borrow from.",
                ("name", "title", "network", "dataset", "parameters", "ready", "accuracy"), listings.sources),
    "strategies": ("List the ways to borrow.", ("name", "title", "when", "reference"), listings.strategies),
    "recipes": ("List ready questions.", ("name", "title", "sentence"), listings.recipes),
    "runs": ("List all runs, newest first.",
             ("run", "when", "status", "dataset", "source", "strategy", "seed", "accuracy", "gain", "label"),
             listings.all_runs),
    "races": ("List all races, newest first.", ("race", "when", "status", "runs", "label"), listings.all_races),
}  # fmt: skip


class Misused(Exception):
    """Arguments that fit no command: what argparse says about them, and where to read more."""


class Parser(argparse.ArgumentParser):
    """argparse without its usage noise: all complaints are one line."""

    def error(self, message: str) -> NoReturn:
        raise Misused(message, self.prog)


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out one command; gives the exit status."""
    argv = sys.argv[1:] if argv is None else list(argv)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a terminal without "−" is no reason to fail
    try:
        arguments = _parsed(argv)
        return int(arguments.command(arguments))
    except (Refused, UnknownName, UnknownRun) as error:
        return _ended(_refusal(error), 2)
    except Misused as error:
        received, (message, program) = console.short(shlex.join(argv)), error.args
        return _ended(f"arguments: received {received}, expected something else ({message}); see '{program} --help'", 2)
    except KeyboardInterrupt:
        return _ended("interrupted; what was started goes on or stops by itself, see 'runs' and 'races'", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains once more at its exit
        return 1
    except DamagedHome as error:
        return _ended(str(error), 1)
    except sqlite3.OperationalError as error:
        return _ended(f"{home() / 'lab.db'} is busy ({error}); try again", 1)
    except OSError as error:
        return _ended(f"{error}; if this is about the home folder, set TLCORE_HOME to a folder that can be written", 1)


def _ended(line: str, status: int) -> int:
    console.complain(line)
    return status


def _refusal(error: Exception) -> str:
    """What was received, what was expected, what to do: for all problems, on one line."""
    if isinstance(error, UnknownName):
        error = Refused(Problem(error.kind, error.received, error.expected, error.remedy))
    if not isinstance(error, Refused):
        return str(error)
    return "; also ".join(
        f"{p.field}: received {console.short(p.received)}, expected {console.cut(p.expected, 1_000)}; {p.remedy}"
        for p in error.problems
    )


def _parsed(argv: list[str]) -> argparse.Namespace:
    parser, options = _parser()
    if argv and argv[0] not in (*options, "-h", "--help", "--version"):
        raise UnknownName("command", argv[0], options)
    arguments, rest = parser.parse_known_args(argv)
    if rest and rest[0].startswith("-"):
        raise UnknownName("option", rest[0].split("=")[0], options[argv[0]])
    if rest:
        raise Refused(Problem("arguments", rest[0], f"nothing more after {argv[0]!r}", f"see '{PROGRAM} --help'"))
    return arguments


def _parser() -> tuple[Parser, dict[str, list[str]]]:
    """The parser, and the options of each command."""
    parser = Parser(prog=PROGRAM, description="Borrow what one neural network has learnt, and see whether it helped.")
    parser.add_argument("--version", action="version", version=f"Transfer Lab {__version__}")
    parser.set_defaults(command=lambda _: print(parser.format_help()) or 0)
    commands = parser.add_subparsers(metavar="COMMAND", title="commands", parser_class=Parser)
    options: dict[str, list[str]] = {}

    def add(name: str, command: Callable[[argparse.Namespace], int], sentence: str, *, takes: str = "") -> Parser:
        own = commands.add_parser(name, help=sentence, description=sentence, allow_abbrev=False)
        own.set_defaults(command=command)
        if takes:
            own.add_argument(takes.lower(), metavar=takes)
        if name not in ("stop", "delete", "fetch"):
            own.add_argument("--json", action="store_true", help="print JSON on standard output and nothing else")
        if name == "run":
            asking.add_options(own)
        if name == "race":
            racing.add_options(own)
        if name == "import":
            bringing.add_options(own)
        if name == "advise":
            consulting.add_options(own)
        if name == "features":
            own.add_argument("--clear", action="store_true", help="delete them all; what is needed is computed again")
        options[name] = [option for action in own._actions for option in action.option_strings if option[:2] == "--"]
        return own

    add("run", asking.run, f"Carry out a question from start to finish; alone, the recipe {DEFAULT}.")
    add("race", racing.race, "Strategies, sources and seeds side by side, as one experiment.")
    add("advise", consulting.advise, "Look at a dataset through a few networks, and say what to do.")
    add("import", bringing.bring, "Import your own pictures, table or arrays.", takes="PATH")
    add("check", bringing.check, "Print the health check of an imported dataset.", takes="DATASET")
    for name, (sentence, columns, rows) in LISTS.items():
        add(name, partial(_list, columns, rows), sentence)
    add("features", show_features, "List what frozen networks have computed, kept so that none computes it again.")
    add("show", show, "Show a run: its question, plan and answer; or a race.", takes="RUN")
    add("stop", stop, "Ask a run to stop; what it has learnt is kept.", takes="RUN")
    add("delete", delete, "Remove a run that is over and its model, a race, or an imported dataset.", takes="RUN")
    add("fetch", fetch, "Download a dataset, or a source network, now.", takes="NAME")
    return parser, options


def show(arguments: argparse.Namespace) -> int:
    """Print a run's question, plan, answer and receipt, or a race's leaderboard."""
    one = runs.get(arguments.run)
    if one.task == runs.RACE:
        racing.tell(one, arguments.json)
        return 0
    if one.task not in (runs.TRAIN, runs.SOURCE):
        raise UnknownRun(arguments.run)
    if arguments.json:
        print(json.dumps(console.answer(one), allow_nan=False))
    else:
        console.question(one)
        console.account(one)
    return 0


def show_features(arguments: argparse.Namespace) -> int:
    """List the kept features, or delete them."""
    freed = features.clear() if arguments.clear else None
    kept = sum(entry.bytes for entry in features.usage())
    if freed is not None and not arguments.json:
        print(f"{freed / 1e6:,.1f} MB of features were deleted")
        return 0
    _list(("name", "rows", "megabytes", "used"), listings.kept_features, arguments)
    if not arguments.json:
        print(f"\n{kept / 1e6:,.1f} MB of at most {features.limit() / 1e6:,.0f} MB; {features.SETTING} sets the limit")
    return 0


def stop(arguments: argparse.Namespace) -> int:
    """Ask a run to stop."""
    before = runs.get(arguments.run).status
    runs.ask_to_stop(arguments.run)
    print({
        runs.WAITING: f"run {arguments.run} was waiting and will not begin",
        runs.RUNNING: f"run {arguments.run} was asked to stop; what it has learnt is kept",
    }.get(before, f"run {arguments.run} is over already ({before})"))  # fmt: skip
    return 0


def delete(arguments: argparse.Namespace) -> int:
    """Remove a run and its artefacts, or an imported dataset."""
    if arguments.run.startswith("data-"):
        library.delete(arguments.run)
        print(f"dataset {arguments.run} and all its versions were deleted")
        return 0
    is_race = runs.get(arguments.run).task == runs.RACE
    runs.delete(arguments.run)
    if is_race:
        print(f"race {arguments.run} was deleted; its runs stay, with their models")
    else:
        print(f"run {arguments.run} and its model were deleted")
    return 0


def fetch(arguments: argparse.Namespace) -> int:
    """Download a dataset or a network, unless it is here."""
    name = arguments.name
    if "/" in name:
        ready, job_of = source(name).ready, partial(worker.order, runs.BORROW, name, source=name)
    else:
        ready, job_of = dataset(name).ready, partial(worker.fetch, name)
    if ready:
        print(f"{name} is on this computer already")
        return 0
    job = job_of()
    interrupted = live.watch([job], False)
    ended = runs.get(job)
    if why := console.reason(ended.status, worker.follow(job)):
        return _ended(why, 1)
    print(f"{name}: {ended.status}")
    return 130 if interrupted else int(ended.status != "finished")


def _list(columns: Sequence[str], rows: Callable[[], Iterable[dict[str, Any]]], arguments: argparse.Namespace) -> int:
    """Print a list: as JSON with all it has, else a table of these columns."""
    found = [*rows()]
    if arguments.json:
        print(json.dumps(found, allow_nan=False, default=lambda when: when.isoformat(timespec="seconds")))
    else:
        console.table(columns, [[console.cell(column, row[column]) for column in columns] for row in found])
    return 0


if __name__ == "__main__":
    sys.exit(main())
