"""A region as LLVM text: its blocks' semantics called one after another over private copies of the hot fields.

    preserve_nonecc void limosa_region(op, cpu, machine, left)      entered like a handler, from the block's first Op

The Op's `link` is the address of the region's data: where this process has its pages, links to the Ops behind its
exits, then the Ops that its helpers are handed. Exactness: a block is entered only if the budget covers all of it, and
a fault, or anything else that sets `m.leave`, goes out at its instruction with the state and the count of that
instruction. What leaves anywhere else goes on at c.eip by way of the dispatcher; so does an instruction that needs a
slow path (a TLB miss, a fault), which the interpreter starts again.
"""

import re
from collections.abc import Sequence
from functools import cache

from node.ia32.encodings import Handler, tables
from node.ia32.state import CPU, CS, DS, ES, M32, MACHINE, MODE_FLAT, MODE_USER, OP, OP_BYTES, SS
from node.ia32.tlb import FETCH_KERNEL, FETCH_USER, FLAGS, READ_KERNEL, READ_USER, WRITE_KERNEL, WRITE_USER
from node.jit.dispatch import GO_ON, GO_ON_LINKED, SETTLE_AT
from node.jit.hot_fields import CHANGEABLE, FLEETING, HOT
from node.jit.record_copies import HELPERS, NARROW_RANGE_TEXT, REAL, START_AGAIN, fetch_text, write_back_text
from node.jit.regions.shape import PAGE, Block, Instruction, Shape
from node.jit.regions.writing import KINDS, Lines
from node.jit.special_handlers import JUMP_KNOWN

NAME = "limosa_region"
OPERANDS_AT = OP.fields["disp"][1]  # type: ignore[index]
LINK = OP.fields["link"][1]  # type: ignore[index]
AT = OP.fields["at"][1] - OPERANDS_AT  # type: ignore[index]
RARE, OFTEN = ", !prof !0", ", !prof !1"  # the branch's first way is taken
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
        self._leaving: list[tuple[str, str, int, int, str]] = []  # label, left, at, length, whether it has ended
        self._out = Lines()
        self._links = 0  # links in the region's data
        self.operations: list[bytes] = []  # operands of the Ops in the region's data

    def text(self) -> str:
        self._entry()
        for number, block in enumerate(self._shape.blocks):
            self._block(number, block)
        if self._shape.returns:
            self._returning()
        self._go_on()
        if self._leaving:
            self._leaving_phis()
        used = sorted({i.handler for b in self._shape.blocks for i in b.instructions})
        head = f"define preserve_nonecc void @{NAME}(ptr %e, ptr noalias %c, ptr noalias %m, i64 %n) #0 {{"
        semantics = [self._library[1 + number] for number in used]
        parts = [self._library[0], JUMP_KNOWN, *semantics, *self._constants, head, *self._out.lines, "}", FRAME]
        return "\n".join(parts)

    def _entry(self) -> None:
        """Is the processor in the mode that the region was made for, and the budget enough for a block?"""
        out = self._out
        out.label("entry")
        out.add("  %slot = alloca ptr, align 8", "  %next = alloca ptr, align 8")
        out.add(*(f"  %{name} = alloca i64, align 8" for name in ("at", "length", "ended")))
        out.add(f"  %ca = alloca [{CPU.itemsize} x i8], align 8", f"  %ma = alloca [{MACHINE.itemsize} x i8], align 8")
        expected = out.value(f"icmp eq i64 {out.load('m', 'mode', record='%m')}, {self._shape.mode}")
        enough = out.value(f"icmp uge i64 %n, {len(self._shape.blocks[0].instructions)}")
        out.branch(out.value(f"and i1 {expected}, {enough}"), "begin", "interpreted", OFTEN)
        out.label("interpreted")
        out.add(f"  %e1 = getelementptr i8, ptr %e, i64 {OP_BYTES}", "  %h1 = load ptr, ptr %e1")
        out.add("  musttail call preserve_nonecc void %h1(ptr %e1, ptr %c, ptr %m, i64 %n)", "  ret void")
        out.label("begin")
        out.add("  store ptr null, ptr %slot, align 8", "  store ptr null, ptr %next, align 8")
        out.add(f"  %dp = getelementptr i8, ptr %e, i64 {LINK}", "  %data = load ptr, ptr %dp")
        for letter, kind in KINDS.items():
            out.add(*fetch_text(kind, sorted(HOT[kind] - FLEETING), f"%{letter}", f"%{letter}a", f"in{letter}"))
            out.add(f"  %real{letter} = getelementptr i8, ptr %{letter}a, i64 {REAL[kind]}")
            out.add(f"  store ptr %{letter}, ptr %real{letter}, align 8")
        helpers = out.load("m", "helpers")
        out.add(f"  %hc = getelementptr i8, ptr %ca, i64 {HELPERS['cpu']}", f"  store i64 {helpers}, ptr %hc, align 8")
        self._assume()
        out.add(f"  %eip0 = add i64 {out.load('c', 'eip')}, 0", "  br label %b0")

    def _assume(self) -> None:
        """What the mode says, as constants; and where `left` is kept from now on."""
        out = self._out
        user = self._shape.mode & MODE_USER
        out.store("c", "gpr", 0, 8)
        out.store("c", "limit", M32, CS)
        for field, value in (
            ("left", "%n"),
            ("leave", 0),
            ("fault", 0),
            ("need_read", READ_USER if user else READ_KERNEL),
            ("need_write", WRITE_USER if user else WRITE_KERNEL),
            ("need_fetch", FETCH_USER if user else FETCH_KERNEL),
        ):
            out.store("m", field, value)
        if self._shape.mode & MODE_FLAT:
            for segment in (CS, SS, DS, ES):
                out.store("c", "base", 0, segment)
            for segment in (SS, DS, ES):
                out.store("m", "seg_ok", 3, segment)
            out.store("m", "stack_mask", M32)

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
        for done, instruction in enumerate(block.instructions):
            if not told and reads_eip(self._library[1 + instruction.handler]):
                out.store("c", "eip", self._address(block.at))
                told = True
            result = self._instruction(f"{number}_{done}", instruction, left, done, None if told else block.at)
        self._end(number, block, left, result)

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
            self._leaving.append((f"l{label}", remaining, instruction.operands[AT], instruction.length, ended))
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

    def _write_back(self) -> None:
        out = self._out
        prefix = out.name()[1:]
        for letter, kind in KINDS.items():
            fields = sorted(CHANGEABLE & HOT[kind] - FLEETING - {"left"})
            out.add(*write_back_text(kind, fields, f"%{letter}a", f"%{letter}", f"{prefix}{letter}"))

    def _count(self, left: str) -> None:
        """Add to m.translated what was executed here."""
        out = self._out
        executed = out.value(f"sub i64 %n, {left}")
        before = out.load("m", "translated", record="%m")
        out.store("m", "translated", out.value(f"add i64 {before}, {executed}"), record="%m")

    def _helper(self, number: int | str) -> str:
        out = self._out
        table = out.value(f"inttoptr i64 {out.load('m', 'helpers')} to ptr")
        place = out.value(f"getelementptr ptr, ptr {table}, i64 {number}")
        return out.value(f"load ptr, ptr {place}, align 8")

    def _leaving_phis(self) -> None:
        """An instruction has set m.leave: what is told of it, and whether the interpreter shall start it again."""
        out = self._out
        out.label("leaving")
        columns = zip(*((left, at, length, ended) for _, left, at, length, ended in self._leaving), strict=True)
        labels = [label for label, *_ in self._leaving]
        values = []
        for column in columns:
            incoming = ", ".join(f"[ {v}, %{label} ]" for v, label in zip(column, labels, strict=True))
            values.append(out.value(f"phi i64 {incoming}"))
        left, at, length, ended = values
        out.store("m", "left", left)
        for name, value in (("at", at), ("length", length), ("ended", ended)):
            out.add(f"  store i64 {value}, ptr %{name}, align 8")
        again = out.value(f"icmp eq i64 {out.load('m', 'leave')}, {START_AGAIN}")
        out.branch(again, "again", "go_on")
        out.label("again")
        eip = out.value(f"add i64 {out.load('c', 'eip')}, {at}")
        wrapped = out.value(f"and i64 {eip}, {M32}")
        out.store("c", "eip", wrapped)
        out.store("m", "leave", 0)
        out.store("m", "fault", 0)
        first = out.value(f"icmp eq i64 {wrapped}, %eip0")  # the dispatcher would come back here
        following = out.value(f"getelementptr i8, ptr %e, i64 {OP_BYTES}")
        next_op = out.value(f"select i1 {first}, ptr {following}, ptr null")
        out.add(
            f"  store ptr {next_op}, ptr %next, align 8", "  store ptr null, ptr %slot, align 8", "  br label %go_on"
        )

    def _go_on(self) -> None:
        """Out of here: to the interpreter's loop at what has set m.leave, or on at c.eip with the budget
        in the copy's `left`. The Op there is %next if that is not null, or else it is looked up and put into %slot."""
        out = self._out
        out.label("go_on")
        self._write_back()
        left = out.load("m", "left")
        self._count(left)
        leaves = out.value(f"icmp ne i64 {out.load('m', 'leave')}, 0")
        out.branch(leaves, "settle", "on", RARE)
        out.label("on")
        slot, known = out.value("load ptr, ptr %slot, align 8"), out.value("load ptr, ptr %next, align 8")
        out.branch(out.value(f"icmp eq i64 {left}, 0"), "search", "run", RARE)
        out.label("run")
        out.branch(out.value(f"icmp ne ptr {known}, null"), "known", "unknown", OFTEN)
        out.label("known")
        self._tail(out.value(f"load ptr, ptr {known}, align 8"), known, left)
        out.label("unknown")
        out.branch(out.value(f"icmp eq ptr {slot}, null"), "far", "unlinked", OFTEN)
        out.label("far")  # looked up here, and not in one place for all regions, whose jump no host foresees
        found = out.value("call i64 @limosa_jump_known(ptr %c, ptr %m)")
        out.branch(out.value(f"icmp eq i64 {found}, 0"), "search", "found", RARE)
        out.label("found")
        op = out.value(f"inttoptr i64 {found} to ptr")
        self._tail(out.value(f"load ptr, ptr {op}, align 8"), op, left)
        out.label("search")
        self._tail(self._helper(GO_ON), slot, left)
        out.label("unlinked")
        self._tail(self._helper(GO_ON_LINKED), slot, left)
        out.label("settle")
        out.store("m", "left", left, record="%m")
        at, length, ended = (out.value(f"load i64, ptr %{name}, align 8") for name in ("at", "length", "ended"))
        settle = self._helper(SETTLE_AT)
        out.add(f"  call void {settle}(ptr %c, ptr %m, i64 {at}, i64 {length}, i64 {ended}) cold", "  ret void")

    def _tail(self, handler: str, op: str, left: str) -> None:
        self._out.add(
            f"  musttail call preserve_nonecc void {handler}(ptr {op}, ptr %c, ptr %m, i64 {left})", "  ret void"
        )


def handler_of(instruction: Instruction) -> Handler:
    handler = tables().handlers[instruction.handler]
    assert handler is not None
    return handler
