"""Guests of a cluster in containers, each with a shell on its console that counts, so that a lost moment is seen."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from controller.cli.session import Session
from controller.cli.tap import ConsoleTap
from tests.compose.project import Project
from tests.support.foreground_guest import PROMPT
from tests.support.guest_shell import Shell

COUNTING = "i=0; while :; do i=$((i+1)); echo count $i; sleep 0.2; done"
BOOTED_S = 240.0
COUNTED_S = 60.0


@dataclass(frozen=True, slots=True)
class Counter:
    """A VM whose shell counts."""

    vm: str
    shell: Shell

    def begin(self) -> None:
        self.shell.until(PROMPT, BOOTED_S)
        self.shell.begin(COUNTING)
        self.shell.until("count 1\r\n", COUNTED_S)

    def goes_on(self) -> int:
        """It counts further, and never left out a number or said one twice; how far it is."""
        self.shell.until("count 1\r\n", COUNTED_S)  # a console that was just opened tells of the past first
        so_far = self.numbers()[-1]
        self.shell.until(f"count {so_far + 2}\r\n", COUNTED_S)
        numbers = self.numbers()
        assert numbers == list(range(1, len(numbers) + 1)), f"{self.vm} lost count"
        return numbers[-1]

    def numbers(self) -> list[int]:
        text = self.shell.tap.received().decode(errors="replace")
        return [int(number) for number in re.findall(r"^count (\d+)\r\n", text, re.MULTILINE)]


@contextmanager
def talking(project: Project, *vms: str) -> Iterator[tuple[Session, list[Counter]]]:
    """A conversation with the controller, and the consoles of these VMs from their first byte on."""
    session = Session(project.address("controller"))
    try:
        yield session, [Counter(vm, Shell(ConsoleTap(session, vm))) for vm in vms]
    finally:
        session.close()
