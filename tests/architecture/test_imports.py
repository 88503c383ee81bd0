"""Imports point down, and the engine reaches for nothing that could make two runs differ."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Layers of the engine, lowest first: a module may import its own layer and those below.
LAYERS = [
    {"engine.codes", "engine.limits"},
    {"engine.domain"},
    {"engine.messages"},
    {"engine.kernels"},
    {"engine.state", "engine.oracle"},
    {"engine.markets", "engine.coop"},
    {"engine.log", "engine.machine"},
]
# What a decision must never depend on: clocks, chance, files, sockets, threads.
WORLD = {
    "os",
    "time",
    "datetime",
    "random",
    "secrets",
    "socket",
    "threading",
    "asyncio",
    "pathlib",
    "subprocess",
    "uuid",
}
KERNEL_IMPORTS = (
    "engine.domain.sharing_rule",
    "numpy",
    "numba",
    "llvmlite",
    "engine.codes",
    "engine.limits",
    "engine.kernels",
    "__future__",
)
PLAIN = {"collections", "typing", "dataclasses", "engine"}  # `from engine import limits` names the package itself


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def name_of(path: Path) -> str:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return name.removesuffix(".__init__")


def imports_of(path: Path, *, top_level_only: bool = False) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found: set[str] = set()
    for node in tree.body if top_level_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: a relative import hides where it points"
            found.add(node.module)
            found |= {
                f"{node.module}.{alias.name}" for alias in node.names if node.module.startswith(("engine", "gateway"))
            }
    return found


def layer_of(module: str) -> int | None:
    for rank, names in enumerate(LAYERS):
        if any(module == name or module.startswith(name + ".") for name in names):
            return rank
    return None


ENGINE = modules("engine")
assert len(ENGINE) > 5, "the engine's sources are where this test looks for them"


@pytest.mark.parametrize("path", ENGINE, ids=name_of)
def test_the_engine_never_imports_the_gateway(path: Path) -> None:
    upward = {name for name in imports_of(path) if name.split(".")[0] in {"gateway", "bench", "tests", "aiohttp"}}
    assert not upward


@pytest.mark.parametrize("path", ENGINE, ids=name_of)
def test_imports_of_the_engine_point_down(path: Path) -> None:
    rank = layer_of(name_of(path))
    if rank is None:
        return
    above = {name for name in imports_of(path) if (other := layer_of(name)) is not None and other > rank}
    # codes and limits are named by every layer; a package's own submodules share its layer
    assert not above, f"{name_of(path)} reaches up to {sorted(above)}"


@pytest.mark.parametrize("path", modules("engine/kernels"), ids=name_of)
def test_kernels_import_only_what_compiles(path: Path) -> None:
    strangers = {name for name in imports_of(path) if not name.startswith(KERNEL_IMPORTS) and name not in PLAIN}
    assert not strangers


@pytest.mark.parametrize("path", [p for p in ENGINE if "log" not in p.relative_to(ROOT).parts], ids=name_of)
def test_nothing_that_decides_touches_the_world(path: Path) -> None:
    world = {name for name in imports_of(path) if name.split(".")[0] in WORLD}
    assert not world


def test_every_package_says_what_it_is_for() -> None:
    silent = [
        name_of(path)
        for package in ("engine", "gateway", "bench")
        for path in modules(package)
        if path.read_text(encoding="utf-8").strip()
        and not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not silent, "a file opens by saying what it is for"
