"""Far JMP, CALL and RET, and IRET, in every mode. Protected-mode rules are in far_transfers.py and far_returns.py."""

from node.ia32.eflags import RETURN_FLAGS, USER_FLAGS, iopl, load_flags
from node.ia32.exceptions import settle_new_task
from node.ia32.far_returns import iret_protected, return_protected
from node.ia32.far_transfers import far_protected
from node.ia32.faults import general_protection
from node.ia32.operands import in_v86, load_seg, next_eip, offset_of
from node.ia32.rows import SIZE, Row
from node.ia32.segments import check_entry, install_real, install_v86
from node.ia32.stacks import push_word, release, stack_word
from node.ia32.state import CR0_PE, CS, ESP, IF, IOPL_MASK, Cpu, Machine, Op
from node.ia32.virtual_interrupts import check_virtual_image, has_virtual_flag, load_virtual_image
from node.jitted import inlined, jitted


@inlined
def _is_protected(c: Cpu) -> bool:
    return c.cr0 & CR0_PE != 0 and in_v86(c) == 0


@jitted
def _load_code_base(c: Cpu, m: Machine, selector: int) -> None:
    """CS in real or virtual-8086 mode."""
    if in_v86(c):
        install_v86(c, m, CS, selector)
    else:
        install_real(c, m, CS, selector)


@jitted
def far_transfer(c: Cpu, m: Machine, selector: int, offset: int, size: int, call: int, return_eip: int) -> None:
    """JMP or CALL to selector:offset."""
    if _is_protected(c):
        settle_new_task(c, m, far_protected(c, m, selector, offset, size, call, return_eip))
        return
    esp = c.gpr[ESP]
    if call:
        push_word(c, m, c.selector[CS], size)
        push_word(c, m, return_eip, size)
    if m.fault == 0:
        check_entry(c, m, offset, c.limit[CS], 0)
    if m.fault:
        c.gpr[ESP] = esp
        return
    _load_code_base(c, m, selector)
    c.eip = offset


@jitted
def far_direct(c: Cpu, m: Machine, e: Op, size: int, call: int) -> None:
    far_transfer(c, m, int(e.disp), int(e.imm), size, call, next_eip(c, e))


@jitted
def far_indirect(c: Cpu, m: Machine, e: Op, size: int, call: int) -> None:
    seg, at = int(e.seg) & 7, offset_of(c, e)
    offset = load_seg(c, m, seg, at, size)
    if m.fault:
        return
    selector = load_seg(c, m, seg, at + size, 2)
    if m.fault == 0:
        far_transfer(c, m, selector, offset, size, call, next_eip(c, e))


@jitted
def return_far(c: Cpu, m: Machine, e: Op, size: int) -> None:
    """RETF, RETF n (n in e.imm, 0 without)."""
    if _is_protected(c):
        return_protected(c, m, size, 2 * size, int(e.imm))
        return
    eip, selector = stack_word(c, m, 0, size), stack_word(c, m, size, size)
    if m.fault == 0:
        check_entry(c, m, eip, c.limit[CS], 0)
    if m.fault == 0:
        release(c, m, 2 * size + int(e.imm))
        _load_code_base(c, m, selector)
        c.eip = eip


@jitted
def iret(c: Cpu, m: Machine, e: Op, size: int) -> None:
    if _is_protected(c):
        settle_new_task(c, m, iret_protected(c, m, size, next_eip(c, e)))
    elif in_v86(c) and iopl(c) != 3 and (size == 4 or not has_virtual_flag(c)):
        general_protection(m, 0)
    else:
        _iret_plain(c, m, size)


@jitted
def _iret_plain(c: Cpu, m: Machine, size: int) -> None:
    """Real mode, and virtual-8086 mode with IOPL 3, where IOPL itself does not change, or with a virtual flag."""
    below = in_v86(c) and iopl(c) != 3
    eip, selector = stack_word(c, m, 0, size), stack_word(c, m, size, size)
    image = stack_word(c, m, 2 * size, size)
    if m.fault == 0:
        check_entry(c, m, eip, c.limit[CS], 0)
    if m.fault == 0 and below:
        check_virtual_image(c, m, image)
    if m.fault:
        return
    mask = USER_FLAGS | IF
    if size == 4:
        mask |= RETURN_FLAGS
    if in_v86(c) == 0:
        mask |= IOPL_MASK
    release(c, m, 3 * size)
    _load_code_base(c, m, selector)
    c.eip = eip
    if below:
        load_virtual_image(c, m, image)
    else:
        load_flags(c, m, image, mask)
    c.nmi_masked = 0


ROWS = [
    Row("9A", "Ap", far_direct, (SIZE, 1), faults="always", ends="always", oracle=False),
    Row("EA", "Ap", far_direct, (SIZE, 0), faults="always", ends="always", oracle=False),
    Row("FF /3", "Mp", far_indirect, (SIZE, 1), faults="always", ends="always", oracle=False),
    Row("FF /5", "Mp", far_indirect, (SIZE, 0), faults="always", ends="always", oracle=False),
    Row("CA", "-v,Iw", return_far, (SIZE,), faults="always", ends="always", oracle=False),
    Row("CB", "-v", return_far, (SIZE,), faults="always", ends="always", oracle=False),
    Row("CF", "-v", iret, (SIZE,), faults="always", ends="always", oracle=False),
]
