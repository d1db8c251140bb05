"""The two readings of the processor's semantics that tests run on: plain Python, and the compiled interpreter.

The compiled one lies in the shared cache, under `native/`; the first run compiles it.
"""

import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from node.ia32.processor import Engine, PlainEngine
from tests.support.shared_cache import shared_cache

if TYPE_CHECKING:
    from node.jit.native import NativeEngine

ENGINES = ("plain", "native", "copied", "translated")
ALWAYS = 1 << 40  # instructions
CHECKED = "checked "  # in front of another than "plain": the same in the build that checks every address


def cache_directory() -> Path:
    return shared_cache() / "native"


@cache
def engine_named(name: str) -> Engine:
    """One of ENGINES, perhaps behind CHECKED; loaded (and, the first time on this host, compiled) once a process.
    "copied" is "native" with stencils of everything, "translated" with everything translated that has been executed
    once."""
    if name == "plain":
        return PlainEngine()
    engine = _loaded(checked=name.startswith(CHECKED))
    name = name.removeprefix(CHECKED)
    if name == "native":
        return engine
    from node.jit.regions.formation import Limits
    from node.jit.regions.settings import Settings

    if name == "copied":
        engine.translate(Settings(look_every=1, copy_within=ALWAYS, glance=1 << 30))
    if name == "translated":
        engine.translate(
            Settings(
                look_every=1,
                copy_within=ALWAYS,
                note_within=ALWAYS,
                patience=2,
                forced=True,
                stretch=60,
                limits=Limits(instructions=16),
            )
        )
    return engine


def _loaded(*, checked: bool) -> "NativeEngine":
    """The plain suite needs no numba."""
    if checked:
        from node.jit.checked_engine import load_checked

        return load_checked(cache_directory(), _progress)
    from node.jit.native import load

    return load(cache_directory(), _progress)


def _progress(share: float, what: str) -> None:
    print(f"compiling the interpreter: {share:4.0%} {what}", flush=True)


if __name__ == "__main__":  # before the tests, which have a time limit each; `checked`: the build for those that check
    _loaded(checked=sys.argv[1:] == [CHECKED.strip()])
