"""A guest can harm nobody but itself: a share of what `make fuzz` does for longer."""

from tests.support.engine import engine_named
from tests.support.hostile import hostile_machine, run
from tests.support.seeds import random_for

GUESTS = 40


def test_a_guest_without_sense_stops_or_runs_on_and_leaves_its_host_alone() -> None:
    engine = engine_named("native")
    executed = 0
    for number in range(GUESTS):
        machine = hostile_machine(random_for(f"hostile guest {number}"), engine)
        run(machine)
        executed += machine.instructions
        machine.memory.close()
    assert executed > 10_000 * GUESTS, "most of them ended at once: then this shows nothing"


def test_two_engines_stop_a_hostile_guest_at_the_same_instruction() -> None:
    for number in range(4):
        ends = []
        for name in ("native", "translated"):
            machine = hostile_machine(random_for(f"hostile guest {number} of two engines"), engine_named(name))
            stopped = run(machine, 2_000)
            machine.processor.engine.materialise()
            ends.append((stopped, machine.instructions, machine.processor.cpu_array.tobytes()))
            machine.memory.close()
        assert ends[0] == ends[1], number
