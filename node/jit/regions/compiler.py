"""A region's shape to machine code, by LLVM."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import llvmlite.binding as llvm

from node.jit.regions.object_code import NotSelfContained, extract
from node.jit.regions.shape import Shape
from node.jit.regions.text import NAME, RegionText
from node.jit.regions.translation import Translation
from node.jit.target import host_level, target_machine

# What takes LLVM's code generator a quarter of its time and gains regions nothing, not even in size. Options are the
# whole process's; the interpreter itself is compiled by another one.
OPTIONS = (
    "-regalloc=basic",
    "-enable-misched=0",
    "-disable-lsr",
    "-disable-machine-licm",
    "-disable-machine-cse",
    "-disable-machine-sink",
)


@cache
def quicken_code_generator() -> None:
    for option in OPTIONS:
        llvm.set_option("limosa", option)


class RegionCompiler:
    """One a process; used by one thread. `library`: the texts of `semantics_library.py`."""

    def __init__(self, library: Sequence[str]) -> None:
        self._library = library
        quicken_code_generator()
        self._target: Any = target_machine(host_level())

    def compile(self, shape: Shape) -> Translation | None:
        """None: the code cannot be moved about."""
        region = RegionText(shape, self._library)
        module = llvm.parse_assembly(self._text(region))
        self._optimise(module)
        try:
            code, entry = extract(bytes(self._target.emit_object(module)), NAME)
        except NotSelfContained:
            return None
        return Translation(code, entry, tuple(region.operations))

    def _text(self, region: RegionText) -> str:
        return region.text()

    def _optimise(self, module: Any) -> None:
        builder = llvm.create_pass_builder(self._target, llvm.create_pipeline_tuning_options(speed_level=1))
        passes = llvm.create_new_module_pass_manager()
        passes.add_always_inliner_pass()
        passes.add_sroa_pass()
        passes.add_sccp_pass()
        passes.add_instruction_combine_pass()
        passes.add_simplify_cfg_pass()
        passes.add_jump_threading_pass()
        passes.add_dead_store_elimination_pass()
        passes.add_aggressive_dce_pass()
        passes.add_instruction_combine_pass()
        passes.add_simplify_cfg_pass()
        passes.run(module, builder)
