"""Imports go one way, and importing the package or its command line loads nothing heavy."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import hf_mbdc

PACKAGE = Path(hf_mbdc.__file__).parent
HEAVY = ("torch", "transformers", "datasets", "pyarrow", "matplotlib", "numpy")

# What the modules of each part may import from the rest of the package, lazily or not. `progress` only prints.
BASE = {"errors", "records", "progress", "image_formats", "drift"}
ALLOWED = {
    "errors": set(),
    "records": set(),
    "progress": set(),
    "image_formats": set(),
    "drift": {"records"},
    "transforms": BASE,
    "verifiers": BASE | {"metrics"},
    "approaches": BASE | {"transforms", "metrics", "verifiers"},
    "targets": BASE | {"transforms", "metrics", "approaches"},
    "training": BASE
    | {
        "transforms",
        "metrics",
        "approaches",
        "targets",
        "generation",
        "revisions",
    },  # content hashes: keys of its cache
    "loaders": BASE | {"transforms", "verifiers"},  # a made problem and what solves it
    "writers": BASE | {"transforms", "approaches"},  # the names of the columns that an approach adds
    "generation": BASE | {"transforms"},  # draws by row key
    "rendering": BASE | {"transforms"},
    "synthesis": BASE | {"transforms", "rendering", "approaches", "targets", "training", "generation", "verifiers"},
    "review": BASE | {"transforms", "approaches", "revisions"},  # the templates
    "revisions": BASE | {"transforms"},  # the mixer of hashes
    "publishing": BASE | {"transforms", "approaches", "revisions", "guidance"},
    "guidance": BASE | {"transforms"},  # tokens, n-grams, MinHash
    "experiments": BASE  # trains, so that guidance needs not
    | {"transforms", "metrics", "approaches", "targets", "training", "synthesis", "guidance"}
    | {"revisions", "publishing", "recipe", "measurement"},  # the page of a diagnosis, and how its run trained
    "metrics": BASE,
}


def imported_parts(path: Path) -> set[str]:
    """The parts of the package that a file imports, at the top or inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import hides which part it takes"
            if node.module == "hf_mbdc":
                found |= {alias.name for alias in node.names if alias.name != "__version__"}
            names = [node.module or ""]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("hf_mbdc.")}
    return found


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def test_every_folder_has_its_rule() -> None:
    folders = {path.parent.relative_to(PACKAGE).parts[0] for path in PACKAGE.glob("*/**/*.py")}
    assert folders - {"cli"} <= ALLOWED.keys()  # the command line may use everything


@pytest.mark.parametrize("part", ALLOWED)
def test_imports_go_one_way(part: str) -> None:
    files = [path for path in PACKAGE.rglob("*.py") if part_of(path) == part]
    wrong = {
        path.relative_to(PACKAGE).as_posix(): sorted(more)
        for path in files
        if (more := imported_parts(path) - ALLOWED[part] - {part})
    }
    assert wrong == {}


def test_approaches_never_import_each_other() -> None:
    folder = PACKAGE / "approaches"
    names = {path.stem for path in folder.glob("*.py") if not path.stem.startswith("_")}
    for path in folder.glob("*.py"):
        if path.stem in names:
            tree = ast.walk(ast.parse(path.read_text()))
            modules = {node.module for node in tree if isinstance(node, ast.ImportFrom)}
            assert not modules & {f"hf_mbdc.approaches.{name}" for name in names - {path.stem}}


def test_only_the_command_line_imports_the_command_line() -> None:
    users = {part_of(path) for path in PACKAGE.rglob("*.py") if "cli" in imported_parts(path)}
    assert users <= {"cli", "__main__"}


@pytest.mark.parametrize("module", ["hf_mbdc", "hf_mbdc.cli", "hf_mbdc.errors", "hf_mbdc.recipe", "hf_mbdc.records"])
def test_importing_loads_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_can_be_imported() -> None:
    for name in hf_mbdc.__all__:
        assert getattr(hf_mbdc, name) is not None
    assert dir(hf_mbdc) == sorted(hf_mbdc.__all__)
    with pytest.raises(AttributeError, match="module 'hf_mbdc' has no attribute 'nothing'"):
        hf_mbdc.nothing  # noqa: B018
