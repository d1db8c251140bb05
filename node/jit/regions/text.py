"""A region as LLVM text: its blocks' semantics called one after another over private copies of the hot fields.

    preserve_nonecc void limosa_region(op, cpu, machine, left)      entered like a handler, from the block's first Op

The Op's `link` is the address of the region's data: where this process has its pages, links to the Ops behind its
exits, then the Ops that its helpers are handed. Exactness: a block is entered only if the budget covers all of it, and
a fault, or anything else that sets `m.leave`, goes out at its instruction with the state and the count of that
instruction. What leaves anywhere else goes on at c.eip by way of the dispatcher; so does an instruction that needs a
slow path (a TLB miss, a fault), which the interpreter starts again.
"""

import re
from collections.abc import Iterable, Sequence
from functools import cache

from node.ia32.handlers import Handler
from node.ia32.state import CPU, CS, M32, MODE_FLAT, OP, OP_BYTES
from node.ia32.tlb import FLAGS
from node.jit.record_copies import NARROW_RANGE_TEXT
from node.jit.regions.shape import PAGE, Block, Instruction, Shape
from node.jit.regions.way_in import write_way_in
from node.jit.regions.ways_out import Leaving, write_go_on, write_leaving
from node.jit.regions.writing import OFTEN, RARE, Lines
from node.jit.runs import handlers_and_runs, merged
from node.jit.special_handlers import JUMP_KNOWN

NAME = "limosa_region"
OPERANDS_AT = OP.fields["disp"][1]  # type: ignore[index]
AT = OP.fields["at"][1] - OPERANDS_AT  # type: ignore[index]
FRAME = f"""
!0 = !{{!"branch_weights", i32 1, i32 2000}}
!1 = !{{!"branch_weights", i32 2000, i32 1}}
{NARROW_RANGE_TEXT}
attributes #0 = {{ nounwind "no-jump-tables"="true" }}
"""
# An Op that goes further than into loads of its fields
_PASSED_ON = re.compile(
    r"^(?!.*(getelementptr inbounds nuw i8, ptr %e, i64 \d+|load i\d+, ptr %e,)).*%e\b", re.MULTILINE
)


@cache
def passes_on_op(semantic: str) -> bool:
    return _PASSED_ON.search(semantic.split("\n", 1)[1]) is not None


_EIP = f"ptr %c, i64 {CPU.fields['eip'][1]}\n"  # type: ignore[index]


@cache
def reads_eip(semantic: str) -> bool:
    """It, or a helper that it calls: then it writes the copy back."""
    return _EIP in semantic


def operations_offset(shape: Shape) -> int:
    """Of the Ops in a region's data: behind its pages and the most links that its blocks can need."""
    return -(-8 * (len(shape.page_numbers) + 2 * len(shape.blocks)) // OP_BYTES) * OP_BYTES


class RegionText:
    """Written once, by `text`. `library`: the texts of `semantics_library.py`."""

    def __init__(self, shape: Shape, library: Sequence[str]) -> None:
        self._shape, self._library = shape, library
        self._blocks = {block.at: (f"b{i}", block.page) for i, block in enumerate(shape.blocks)}
        self._constants: list[str] = []
        self._leaving: list[Leaving] = []
        self._out = Lines()
        self._links = 0  # links in the region's data
        self.operations: list[bytes] = []  # operands of the Ops in the region's data

    def text(self) -> str:
        write_way_in(self._out, self._shape)
        for number, block in enumerate(self._shape.blocks):
            self._block(number, block)
        if self._shape.returns:
            self._returning()
        write_go_on(self._out)
        if self._leaving:
            write_leaving(self._out, self._leaving)
        used = sorted({i.handler for b in self._shape.blocks for _, i in self._executed(b)})
        head = f"define preserve_nonecc void @{NAME}(ptr %e, ptr noalias %c, ptr noalias %m, i64 %n) #0 {{"
        semantics = [self._library[1 + number] for number in used]
        parts = [self._library[0], JUMP_KNOWN, *semantics, *self._constants, head, *self._out.lines, "}", FRAME]
        return "\n".join(parts)

    def _address(self, at: int) -> str:
        """The EIP of an address relative to the entry."""
        total = self._out.value(f"add i64 %eip0, {at}")
        return self._out.value(f"and i64 {total}, {M32}")

    def _block(self, number: int, block: Block) -> None:
        out = self._out
        out.label(f"b{number}")
        left = out.load("m", "left")
        out.branch(out.value(f"icmp ult i64 {left}, {len(block.instructions)}"), f"x{number}", f"r{number}", RARE)
        out.label(f"x{number}")
        self._aside(block.at)
        out.add("  br label %go_on")
        out.label(f"r{number}")
        result, told = "", False
        for done, instruction in self._executed(block):
            if not told and reads_eip(self._library[1 + instruction.handler]):
                out.store("c", "eip", self._address(block.at))
                told = True
            result = self._instruction(f"{number}_{done}", instruction, left, done, None if told else block.at)
        self._end(number, block, left, result)

    def _executed(self, block: Block) -> Iterable[tuple[int, Instruction]]:
        """Its instructions, each with the number of those before it; several as one where all stacks are flat."""
        return merged(block.instructions) if self._shape.mode & MODE_FLAT else enumerate(block.instructions)

    def _aside(self, at: int | None) -> None:
        """A rare way out begins. c.eip is told here, where its block begins, if it has not been: most instructions
        need not know it. The empty assembly keeps LLVM from working out what the way takes along before it is taken."""
        self._out.add('  call void asm sideeffect "", ""()')
        if at is not None:
            self._out.store("c", "eip", self._address(at))

    def _instruction(self, label: str, instruction: Instruction, left: str, done: int, at: int | None) -> str:
        """`left`: the budget in front of the block, of which `done` instructions have been executed; `at`: what c.eip
        has still to be told. Returns the name of the semantic's result."""
        out, handler = self._out, handler_of(instruction)
        if handler.counts:
            out.store("m", "left", out.value(f"sub i64 {left}, {done}"))
        op = self._op(label, instruction)
        result = out.value(f"call i64 @limosa_s{instruction.handler}(ptr %ca, ptr %ma, ptr {op})")
        if handler.may_leave:
            stays = out.value(f"icmp eq i64 {out.load('m', 'leave')}, 0")
            out.branch(stays, f"o{label}", f"l{label}", OFTEN)
            out.label(f"l{label}")
            self._aside(at)
            remaining = out.load("m", "left") if handler.counts else out.value(f"sub i64 {left}, {done}")
            out.add("  br label %leaving")
            out.label(f"o{label}")
            out.store("m", "leave", 0)
            out.store("m", "fault", 0)  # a fault leaves: what stays has none
            ended = {"branch": "1", "cc": result}.get(handler.ends, "0")
            at_byte, length = instruction.operands[AT], instruction.length
            self._leaving.append(Leaving(f"l{label}", remaining, at_byte, length, ended))
        return result

    def _op(self, label: str, instruction: Instruction) -> str:
        """The decoded instruction: a constant, which folds away, or in the region's data if a helper is handed it."""
        if passes_on_op(self._library[1 + instruction.handler]):
            self.operations.append(instruction.operands)
            place = operations_offset(self._shape) + OP_BYTES * (len(self.operations) - 1)
            return self._out.value(f"getelementptr i8, ptr %data, i64 {place}")
        content = bytes(OPERANDS_AT) + instruction.operands
        text = "".join(f"\\{byte:02X}" for byte in content)
        self._constants.append(f'@op{label} = private unnamed_addr constant [{OP_BYTES} x i8] c"{text}", align 8')
        return f"@op{label}"

    def _end(self, number: int, block: Block, left: str, result: str) -> None:
        """Count the block, and go where it leads."""
        out, last = self._out, handler_of(block.instructions[-1])
        count = len(block.instructions)
        if last.counts:
            left, count = out.load("m", "left"), 1
        out.store("m", "left", out.value(f"sub i64 {left}, {count}"))
        if last.ends == "branch":
            self._branch(block)
            return
        if last.ends == "cc":
            out.branch(out.value(f"icmp ne i64 {result}, 0"), f"taken{number}", f"fall{number}")
            out.label(f"taken{number}")
            self._branch(block)
            out.label(f"fall{number}")
        assert block.following is not None
        out.store("c", "eip", self._address(block.following))
        self._edge(block, block.following)

    def _branch(self, block: Block) -> None:
        """c.eip is the target: one that is known, one of those where calls return to, or any."""
        if block.target is not None:
            self._edge(block, block.target)
            return
        self._out.add(f"  br label %{'returning' if self._shape.returns else 'go_on'}")

    def _returning(self) -> None:
        """c.eip may be anything: is it where one of the region's calls returns to?"""
        out = self._out
        out.label("returning")
        eip = out.load("c", "eip")
        relative = out.value(f"sub i64 {eip}, %eip0")
        ways = [(at, out.name()[1:]) for at in self._shape.returns]
        cases = " ".join(f"i64 {at}, label %{label}" for at, label in ways)
        out.add(f"  switch i64 {relative}, label %go_on [ {cases} ]")
        for at, label in ways:
            out.label(label)
            self._edge(None, at)

    def _edge(self, block: Block | None, at: int) -> None:
        """To the region's block at `at` if there is one and, when it lies on another page than `block` (None: nobody
        knows where we come from), if that is still mapped."""
        out = self._out
        label, page = self._blocks.get(at, ("go_on", -1))
        if page < 0 and block is not None and self._is_near(block, at):
            link = out.value(f"getelementptr i8, ptr %data, i64 {8 * (len(self._shape.page_numbers) + self._links)}")
            self._links += 1
            known = out.value(f"load ptr, ptr {link}, align 8")
            out.add(f"  store ptr {link}, ptr %slot, align 8", f"  store ptr {known}, ptr %next, align 8")
        from_page = block.page if block is not None else 0 if len(self._shape.page_numbers) == 1 else None
        if page < 0 or page == from_page:
            out.add(f"  br label %{label}")
            return
        out.branch(self._is_mapped(at, page), label, "go_on", OFTEN)

    def _is_mapped(self, at: int, page: int) -> str:
        """Whether code may be fetched at c.eip, the address `at`, and lies on the region's `page`: then the place that
        the TLB tells is the expected one but for the entry's flags, which are all that remains of the difference."""
        out = self._out
        total = out.value(f"add i64 {out.load('c', 'eip')}, {out.load('c', 'base', CS)}")
        linear = out.value(f"and i64 {total}, {M32}")
        number = out.value(f"lshr i64 {linear}, 12")
        table = out.value(f"inttoptr i64 {out.load('m', 'tlb')} to ptr")
        place = out.value(f"getelementptr i64, ptr {table}, i64 {number}")
        entry = out.value(f"load i64, ptr {place}, align 8")
        with_flags = out.value(f"add i64 {entry}, {linear}")
        expected = out.value(f"getelementptr i64, ptr %data, i64 {page}")
        start = out.value(f"load i64, ptr {expected}, align 8")
        on_page = out.value(f"sub i64 {with_flags}, {start}")
        beyond = out.value(f"sub i64 {on_page}, {(self._shape.start + at) % PAGE}")
        needed = out.load("m", "need_fetch")
        looked_at = out.value(f"or i64 {needed}, {~FLAGS}")
        told = out.value(f"and i64 {beyond}, {looked_at}")
        return out.value(f"icmp eq i64 {told}, {needed}")

    def _is_near(self, block: Block, at: int) -> bool:
        """Whether an address lies on the block's own page: then what was found there once stays so, like the links of
        decoded branches."""
        return (self._shape.start + at) // PAGE == (self._shape.start + block.at) // PAGE


def handler_of(instruction: Instruction) -> Handler:
    handler = handlers_and_runs()[instruction.handler]
    assert handler is not None
    return handler
