"""The generic top-level names must resolve inside this checkout, whatever else is installed."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("name", ["node", "controller", "service", "storage", "protos"])
def test_top_level_package_is_ours(name: str) -> None:
    spec = importlib.util.find_spec(name)
    assert spec is not None and spec.origin is not None
    assert Path(spec.origin).is_relative_to(ROOT)


def test_no_init_file_under_tests() -> None:
    """`tests/node/__init__.py` would shadow the package `node`."""
    assert not list((ROOT / "tests").rglob("__init__.py"))
