"""The processor that native code is made for: a level of x86-64, as the psABI names them, and not this very host.

Code of a level runs on every host that has it, so an interpreter that was compiled elsewhere (when an image was built)
is found under the same key; and because the host's own features choose the level, no host meets an instruction that it
lacks. Given up: the tuning for one model of processor, measured at about nothing for this code.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import llvmlite.binding as llvm

# What each level adds, in LLVM's words, the highest first. x86-64-v4 adds vectors only, of which this code has none.
LEVELS: Mapping[str, frozenset[str]] = {
    "x86-64-v3": frozenset({"avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe", "xsave"}),
    "x86-64-v2": frozenset({"cx16", "popcnt", "sahf", "sse3", "sse4.1", "sse4.2", "ssse3"}),
    "x86-64": frozenset(),
}

CHECKED = "+checked"  # behind a level: the build of `checks.py`, asked for and found in the cache by that name


def host_level() -> str:
    """The highest level that this host has."""
    return level_of(llvm.get_host_cpu_features())


def level_of(features: Mapping[str, bool]) -> str:
    """The highest level whose features, and those of all levels below it, are there."""
    names = list(LEVELS)
    for at, name in enumerate(names):
        if all(features.get(feature) for lower in names[at:] for feature in LEVELS[lower]):
            return name
    raise AssertionError("the last level asks for nothing")


@cache
def keep_stores_whole() -> None:
    """LLVM makes the store of a field of which some bytes change a narrow one, and where the next instruction loads the
    field a host waits a dozen cycles. Options are the whole process's."""
    for option in ("reduce-load-op-store-width", "shrink-load-replace-store-with-store"):
        llvm.set_option("limosa", f"-combiner-{option}=0")


def target_machine(level: str) -> Any:
    keep_stores_whole()
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    llvm.initialize_native_asmparser()
    target = llvm.Target.from_default_triple()
    return target.create_target_machine(cpu=level, features="", opt=2, codemodel="default", reloc="pic", jit=True)
