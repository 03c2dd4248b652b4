"""Who may import whom, read from the sources; and what importing us loads."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
OURS = ("tlcore", "ui", "gathering", "panels", "pages", "app")
FILES = sorted(
    {
        *ROOT.glob("*.py"),
        *(ROOT / "pages").rglob("*.py"),
        *(ROOT / "panels").rglob("*.py"),
        *(ROOT / "tlcore").rglob("*.py"),
    }
)
KERAS = {"keras", "tensorflow", "tf_keras", "jax", "torch"}


def module(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module(file): file for file in FILES}


def imports(name: str) -> set[str]:
    """Every module that a module names in an import, anywhere in it; ours by their full names."""
    file = MODULES[name]
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
            origin = ".".join([*base, *(node.module or "").split(".")]).strip(".")
            for alias in node.names:
                inner = f"{origin}.{alias.name}"
                found.add(inner if inner in MODULES else origin)
    return found


def ours(name: str) -> set[str]:
    return {one for one in imports(name) if one.split(".")[0] in OURS}


def in_engine(name: str) -> bool:
    return name == "tlcore.engine" or name.startswith("tlcore.engine.")


def test_the_reader_of_imports_sees_what_is_there():
    assert {"tlcore.runs", "tlcore.events", "tlcore.engine.training", "keras"} <= imports("tlcore.engine.journey")
    assert "tlcore.catalogue" in imports("tlcore.datasets.cards")
    assert len(MODULES) > 25


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith("tlcore")])
def test_the_core_never_imports_streamlit_or_a_page(name: str):
    assert not {one for one in imports(name) if one.split(".")[0] in ("streamlit", *OURS[1:])}


@pytest.mark.parametrize("name", [name for name in MODULES if not in_engine(name)])
def test_only_the_engine_imports_keras_and_nobody_imports_the_engine(name: str):
    assert not {one for one in imports(name) if one.split(".")[0] in KERAS or in_engine(one)}


@pytest.mark.parametrize(
    ("name", "may"),
    [
        ("tlcore.catalogue", set()),
        ("tlcore.home", set()),
        ("tlcore.devices", set()),
        ("tlcore.spec", {"tlcore.catalogue"}),
        ("tlcore.events", set()),
        ("tlcore.networks", {"tlcore.catalogue"}),
        ("tlcore.evaluation", set()),
        ("tlcore.strategies", {"tlcore.spec", "tlcore.catalogue", "tlcore.events", "tlcore.networks"}),
        *(
            (name, {"tlcore.events", "tlcore.strategies", "tlcore.networks", "tlcore.words", "tlcore.charts.frame"})
            for name in MODULES
            if name.startswith("tlcore.charts.")
        ),
        ("tlcore.database", {"tlcore.home"}),
        ("tlcore.runs", {"tlcore.database", "tlcore.events", "tlcore.spec", "tlcore.home"}),
    ],
)
def test_a_room_knows_only_its_neighbours(name: str, may: set[str]):
    assert ours(name) <= may


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith(("pages", "panels"))])
def test_a_page_asks_ui_its_panels_and_the_core(name: str):
    assert not {one for one in ours(name) if one.startswith(("app", "pages"))}


def test_no_room_is_called_after_nothing():
    for name in MODULES:
        assert not {"utils", "util", "helpers", "common", "manager", "service", "misc"} & set(name.split("."))


def test_the_core_loads_no_keras_and_no_scikit_learn():
    names = [name for name in MODULES if name.startswith("tlcore") and not in_engine(name) and "__main__" not in name]
    code = (
        f"import sys, importlib\nfor name in {names!r}: importlib.import_module(name)\n"
        "heavy = {'keras', 'tensorflow', 'sklearn', 'streamlit'} & set(sys.modules)\nassert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_intake_loads_no_keras():
    code = (
        "import sys, tlcore.engine.intake, tlcore.engine.foreign, tlcore.engine.__main__\n"
        "heavy = {'keras', 'tensorflow', 'streamlit'} & set(sys.modules)\nassert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
