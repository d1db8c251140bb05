"""Object files with small holes: bytes inside of instructions, for which LLVM's object format has no relocations.

LLVM writes its assembly, in which a small hole is a symbol. It is assembled twice, with another number in the place of
each symbol, and the bytes that differ are the holes: by how much tells which one.
"""

import re
from typing import Any

import llvmlite.binding as llvm

from node.jit.stencils.kinds import SMALL
from node.jit.stencils.writing import SMALL_PREFIX

_SYMBOL = re.compile(rf"\b{SMALL_PREFIX}(\w+)(?:@ABS8)?")
FIRST = 8  # the number in the place of each
DIFFERENCES = {8 * i: kind for i, kind in enumerate(SMALL, 1)}  # between the second number and the first
_SECOND = {kind: FIRST + difference for difference, kind in DIFFERENCES.items()}


def two_objects(module: Any, target: Any) -> tuple[bytes, bytes]:
    text = target.emit_assembly(module)
    first = _SYMBOL.sub(str(FIRST), text)
    second = _SYMBOL.sub(lambda match: str(_SECOND[match[1]]), text)
    return _assembled(first, target), _assembled(second, target)


def _assembled(text: str, target: Any) -> bytes:
    escaped = text.replace("\\", "\\5C").replace('"', "\\22").replace("\n", "\\0A").replace("\t", "\\09")
    module = llvm.parse_assembly(f'target triple = "{llvm.get_default_triple()}"\nmodule asm "{escaped}"')
    return bytes(target.emit_object(module))
