"""A processor in real mode that executes one `Case` at a time; exceptions lead to 0700:16 x vector."""

import struct
from dataclasses import replace

from node.ia32.state import CR0_ET, CS, ESP, EXIT_NONE, EXIT_SHUTDOWN, M16, SS
from tests.support.cpu_case import WINDOW, WINDOW_BYTES, Case, Outcome
from tests.support.user_world import HANDLER_BYTES, UserWorld

HANDLER_SEGMENT = 0x700
FRAME_BYTES = 6  # IP, CS, FLAGS
NO_ROOM = Outcome(-1, 0, (0,) * 8, 0, 0, 0, b"")  # SP was too low for the frame: the processor has shut down


class RealWorld(UserWorld):
    exits = (EXIT_NONE, EXIT_SHUTDOWN)

    def _fill_tables(self) -> None:
        for vector in range(32):
            self.memory.write(vector * 4, struct.pack("<HH", vector * HANDLER_BYTES, HANDLER_SEGMENT))

    def _system_state(self) -> None:
        c = self.processor.cpu
        c.cr0 = CR0_ET
        c.idt_base, c.idt_limit = 0, 0x3FF

    def _outcome(self, case: Case) -> Outcome:
        c = self.processor.cpu
        if self.processor.machine.exit == EXIT_SHUTDOWN:
            return replace(NO_ROOM, window=self.memory.read(WINDOW, WINDOW_BYTES))
        assert c.selector[CS] == HANDLER_SEGMENT, f"no trap: {case}"
        sp = c.gpr[ESP] & M16
        ip, _cs, flags = struct.unpack("<3H", self.memory.read(c.base[SS] + sp, FRAME_BYTES))
        gpr = [int(c.gpr[i]) for i in range(8)]
        gpr[ESP] = c.gpr[ESP] & ~M16 | sp + FRAME_BYTES & M16
        window = self.memory.read(WINDOW, WINDOW_BYTES)
        return Outcome(c.eip // HANDLER_BYTES, 0, tuple(gpr), ip, flags, 0, window)
