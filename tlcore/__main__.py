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
from pathlib import Path
from typing import Any, NoReturn

from . import __version__, console, listings, live, runs, worker
from .admission import admit
from .catalogue import UnknownName
from .database import DamagedHome
from .datasets import DATASETS
from .home import home
from .networks import NETWORKS, usual
from .recipes import DEFAULT, RECIPES, suited
from .runs import UnknownRun
from .sources import NONE
from .spec import RANGES, Problem, Refused, RunSpec
from .strategies import STRATEGIES
from .words import count

PROGRAM = "python -m tlcore"
OPTIONS = {
    "dataset": ("D", "what to learn from"),
    "source": ("S", "the network to borrow from, 'run:ID' for a finished run, or 'none'"),
    "strategy": ("T", "what of it stays frozen, and when"),
    "blocks": ("N", "how many of the last blocks learn, with the strategy last_blocks"),
    "network": ("NAME", "the network, where no source decides it"),
    "samples_per_class": ("N", "examples a class to learn from, or 'all'"),
    "validation_share": ("X", "share of the examples kept for validation"),
    "test_share": ("X", "share of the examples kept for the test, where the dataset has no test part"),
    "epochs": ("N", "epochs in all phases together"),
    "batch_size": ("N", "examples a step"),
    "learning_rate": ("X", "step size; a strategy may scale it"),
    "optimizer": ("O", "how steps are taken"),
    "loss": ("L", "what is made small"),
    "early_stopping": ("N", "epochs without a better validation loss to wait for; 0: never stop early"),
    "seed": ("N", "what all chance in the run follows from"),
    "evaluate_on": ("D", "a second dataset to try the finished model on, or 'none'"),
    "device": ("NAME", "auto, cpu or gpu"),
}
LISTS = {
    "datasets": ("List what there is to learn from.",
                 ("name", "title", "kind", "shape", "classes", "examples", "ready"), listings.datasets),
    "sources": ("List what there is to borrow from.",
                ("name", "title", "network", "dataset", "parameters", "trained", "accuracy"), listings.sources),
    "strategies": ("List the ways to borrow.", ("name", "title", "when", "reference"), listings.strategies),
    "recipes": ("List ready questions.", ("name", "title", "sentence"), listings.recipes),
    "runs": ("List all runs, newest first.",
             ("run", "when", "status", "dataset", "source", "strategy", "seed", "accuracy", "gain", "label"),
             listings.all_runs),
}  # fmt: skip
SPEC_SIZE = 100_000
"""Most bytes of a file that is read as a spec."""


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
        return _ended("interrupted; runs that were started go on or stop by themselves, see 'runs'", 130)
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
    print(console.one_line(line), file=sys.stderr)
    return status


def _refusal(error: Exception) -> str:
    """What was received, what was expected, what to do: for all problems, on one line."""
    if isinstance(error, UnknownName):
        error = Refused(Problem(error.kind, error.received, error.expected, error.remedy))
    if not isinstance(error, Refused):
        return str(error)
    return "; also ".join(
        f"{p.field}: received {console.short(p.received)}, expected {console.cut(p.expected, 400)}; {p.remedy}"
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
            _add_run_options(own)
        options[name] = [option for action in own._actions for option in action.option_strings if option[:2] == "--"]
        return own

    add("run", run, f"Carry out a question from start to finish; alone, the recipe {DEFAULT}.")
    for name, (sentence, columns, rows) in LISTS.items():
        add(name, partial(_list, columns, rows), sentence)
    add("show", show, "Show a run: its question, plan and answer.", takes="RUN")
    add("stop", stop, "Ask a run to stop; what it has learnt is kept.", takes="RUN")
    add("delete", delete, "Remove a run that is over, and its model.", takes="RUN")
    add("fetch", fetch, "Download a dataset now.", takes="DATASET")
    return parser, options


def _add_run_options(parser: Parser) -> None:
    """No types and no choices here: whatever was typed goes to the one place that checks questions."""
    parser.add_argument("--recipe", metavar="NAME", help=f"the ready question to begin with (default {DEFAULT})")
    parser.add_argument("--spec", metavar="FILE", help="a question in JSON, exported from a run, instead of a recipe")
    for field, (metavar, sentence) in OPTIONS.items():
        parser.add_argument("--" + field.replace("_", "-"), metavar=metavar, help=sentence)
    parser.add_argument("--no-control", action="store_true", help="do not train the same network from scratch as well")
    parser.add_argument("--label", metavar="TEXT", default="", help="what you call the run")


def run(arguments: argparse.Namespace) -> int:
    """Ask one question, or a recipe's few, and wait for the answers."""
    given = {field: _value(field, text) for field in OPTIONS if (text := getattr(arguments, field)) is not None}
    if arguments.no_control:
        given["control"] = False
    # All are checked before any is asked; those that the options made equal are asked once.
    specs = [*dict.fromkeys(admit(asked(spec, given)) for spec in _begun_with(arguments))]
    if "blocks" in given and not any(STRATEGIES[spec.strategy].takes_blocks for spec in specs):
        takers = ", ".join(name for name, strategy in STRATEGIES.items() if strategy.takes_blocks)
        print(f"note: --blocks makes no difference here; it belongs to --strategy {takers}", file=sys.stderr)
    label = arguments.label.encode(errors="replace").decode().strip()[:200]
    names = [worker.start(spec, label) for spec in specs]
    if not arguments.json:
        print("\n".join(f"run {name}" for name in names), flush=True)
    interrupted = live.watch(names, arguments.json)
    ended = [runs.get(name) for name in names]
    answers = [console.answer(one) for one in ended]
    if arguments.json:
        print(json.dumps(answers[0] | {"also": answers[1:]}, allow_nan=False))
    else:
        for one in ended:
            console.account(one)
    for told in answers:
        if told["reason"]:
            _ended(f"run {told['run']} {told['status']}: {told['reason']}", 1)
    return 130 if interrupted else int(any(one.status != "finished" for one in ended))


def _begun_with(arguments: argparse.Namespace) -> tuple[RunSpec, ...]:
    """The questions that the options then revise."""
    if arguments.spec is None:
        return RECIPES[arguments.recipe if arguments.recipe is not None else DEFAULT].specs
    if arguments.recipe is not None:
        raise Refused(Problem("recipe", arguments.recipe, "either a recipe or a spec", "leave one of them out"))
    path = Path(arguments.spec)
    if not path.is_file() or path.stat().st_size > SPEC_SIZE:
        expected = f"a file of at most {count(SPEC_SIZE)} bytes"
        raise Refused(Problem("spec", arguments.spec, expected, "export a spec from a run and name that file"))
    return (RunSpec.from_json(path.read_bytes()),)


def _value(field: str, text: str) -> object:
    """A number where one is wanted and this is one, else the text, which is then refused with all the rest."""
    if (field, text) in (("samples_per_class", "all"), ("evaluate_on", NONE)):
        return None
    for kind in {int: (int, float), float: (float,)}[RANGES[field][0]] if field in RANGES else ():
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def asked(spec: RunSpec, given: dict[str, Any]) -> RunSpec:
    """The question revised by what the person said. What they left open gives way to it, and never the reverse."""
    if given.get("source") == NONE:
        given = {"strategy": "scratch", **given}
    elif given.get("strategy") == "scratch":
        given = {"source": NONE, **given}
    revised = spec.revised(**given)
    borrows = revised.strategy != "scratch" if "strategy" in given else spec.source != NONE
    try:
        if "source" in given:
            if given["source"] != NONE:
                revised = revised.revised(network=None, strategy="lp_ft" if spec.source == NONE else spec.strategy)
        elif borrows and {"dataset", "strategy"} & given.keys():
            revised = suited(revised)
        revised = _without_misfits(revised) if "dataset" in given else revised
    except UnknownName:
        pass  # admission complains of it together with whatever else is wrong
    control = revised.control or (spec.source == NONE and revised.source != NONE)
    return revised.revised(control=control).revised(**given)


def _without_misfits(spec: RunSpec) -> RunSpec:
    """Without the network and the second dataset that came along with another dataset and cannot go with this one."""
    dataset, other = DATASETS[spec.dataset], spec.evaluate_on
    try:
        NETWORKS[spec.network or usual(dataset.shape)].blocks(dataset.shape)
    except IndexError:  # convolutions over a vector
        spec = spec.revised(network=None)
    if other and (other == dataset.name or DATASETS[other].shape != dataset.shape):
        spec = spec.revised(evaluate_on=None)
    return spec


def show(arguments: argparse.Namespace) -> int:
    """Print a run's question, plan, answer and receipt."""
    one = runs.get(arguments.run)
    if one.task == runs.FETCH:
        raise UnknownRun(arguments.run)
    if arguments.json:
        print(json.dumps(console.answer(one), allow_nan=False))
    else:
        console.question(one)
        console.account(one)
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
    """Remove a run and its artefacts."""
    runs.delete(arguments.run)
    print(f"run {arguments.run} and its model were deleted")
    return 0


def fetch(arguments: argparse.Namespace) -> int:
    """Download a dataset, unless it is here."""
    dataset = DATASETS[arguments.dataset]
    if dataset.ready:
        print(f"{dataset.name} is on this computer already")
        return 0
    job = worker.fetch(dataset.name)
    interrupted = live.watch([job], False)
    ended = runs.get(job)
    if why := console.reason(ended.status, worker.follow(job)):
        return _ended(why, 1)
    print(f"{dataset.name}: {ended.status}")
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
