"""README says what is so: its commands, its tables, its pictures and its snippets."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from pathlib import Path

import pytest

from docs import tables
from tlcore import __main__ as command_line
from tlcore import __version__, strategies
from tlcore.datasets import cards
from tlcore.recipes import RECIPES
from tlcore.spec import RunSpec
from tlcore.strategies import STRATEGIES

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
COMMANDS = [line.split("#")[0].strip() for line in README.splitlines() if line.startswith("python -m tlcore")]


def snippet(after: str) -> str:
    """The first Python block behind a heading."""
    found = re.search(rf"## {after}\n.*?```python\n(.*?)```", README, re.DOTALL)
    assert found
    return found[1]


@pytest.mark.parametrize("page", tables.PAGES, ids=lambda page: page.name)
def test_the_tables_are_of_this_program(page: Path) -> None:
    assert tables.written(page.read_text()) == page.read_text(), "run python docs/tables.py"


def test_every_table_has_its_place() -> None:
    texts = [page.read_text() for page in tables.PAGES]
    assert all(sum(f"<!-- {name} -->" in text for text in texts) == 1 for name in tables.TABLES)


def test_the_comparison_is_of_all_strategies() -> None:
    found = json.loads((ROOT / "docs" / "strategies.json").read_text())["found"]
    for name, own in found.items():
        # Neither source has the target's number of classes, and ImageNet's own data is not here.
        possible = set(STRATEGIES) - ({"copy_all"} if name.startswith("digits") else {"copy_all", "multi_task"})
        assert set(own) == possible and all(len(one["accuracies"]) == 6 for one in own.values())


def test_the_set_up_is_two_commands() -> None:
    assert "\npip install -r requirements.txt && streamlit run app.py\n" in README
    assert "\npip install -r requirements-dev.txt && pytest\n" in README


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_understood(command: str, lab: Path) -> None:
    words = shlex.split(command)[3:]
    arguments = command_line._parsed(words)
    assert arguments is not None
    if words[0] == "run" and "--recipe" in words:
        assert words[words.index("--recipe") + 1] in RECIPES


def test_every_option_of_run_is_told() -> None:
    told = set(re.findall(r"--[a-z-]+", README))
    assert {f"--{name.replace('_', '-')}" for name in vars(RunSpec()) if name not in ("control", "plan")} - told <= {
        "--validation-share",
        "--test-share",
    }


def test_the_pictures_are_there() -> None:
    names = re.findall(r"!\[.+?\]\((.+?)\)", README)
    assert len(names) >= 5
    assert all((ROOT / name).stat().st_size > 10_000 for name in names)


def test_the_dataset_of_the_example_loads() -> None:
    code = snippet("Add a dataset")
    names = dict(vars(cards))
    exec(code.rstrip().removesuffix(",").replace('Dataset("iris"', 'made = Dataset("iris"'), names)
    arrays = names["made"].load()
    assert arrays.x.shape == (150, *names["made"].shape)
    assert len(names["made"].columns) == 4


def test_the_strategy_of_the_example_plans() -> None:
    names = dict(vars(strategies))
    exec(
        snippet("Add a strategy").rstrip().removesuffix(",").replace('Strategy("half"', 'made = Strategy("half"'), names
    )
    plan = names["made"].plan(RunSpec(epochs=10), ["a", "b", "c", "head"])
    assert [phase.learning for phase in plan] == [("head",), ("c", "head")]
    assert "half" not in STRATEGIES


def test_the_notebook_runs(lab: Path) -> None:
    names: dict[str, object] = {}
    exec(snippet("From a notebook").rstrip() + "\nrows = len(outcome.history)", names)
    assert names["rows"] == 20


def test_one_version_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == __version__
    assert f"## {__version__} " in (ROOT / "CHANGELOG.md").read_text()
