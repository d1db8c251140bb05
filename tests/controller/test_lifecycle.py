"""The tables of states: complete, drawn as they are, and closed against unknown pairs."""

import pytest

from controller import lifecycle
from controller.lifecycle import ENDED, MIGRATION, NODE, VM, MigrationState, UnknownTransition, VmState, render, step


@pytest.mark.parametrize("table", [VM, NODE, MIGRATION], ids=["vm", "node", "migration"])
def test_the_diagram_in_the_docstring_is_rendered_from_the_table(table) -> None:  # type: ignore[no-untyped-def]
    assert lifecycle.__doc__ is not None
    assert render(table) in lifecycle.__doc__


def test_every_pair_that_the_table_does_not_have_is_an_error() -> None:
    events = {event for row in VM.values() for event in row} | {"explode"}
    for state in VmState:
        for event in events:
            if event in VM.get(state, {}):
                assert step(VM, state, event, what="VM 'a'") in VmState
            else:
                with pytest.raises(UnknownTransition, match=f"VM 'a' is {state}: cannot {event}"):
                    step(VM, state, event, what="VM 'a'")


def test_every_migration_can_end_and_nothing_leaves_an_end() -> None:
    for state in MigrationState:
        reached, frontier = {state}, [state]
        while frontier:
            for after in MIGRATION.get(frontier.pop(), {}).values():
                if after not in reached:
                    reached.add(after)
                    frontier.append(after)
        assert reached & ENDED
        assert (state in ENDED) is (state not in MIGRATION)


def test_the_commit_is_the_only_way_to_a_success() -> None:
    ways = {state for state, row in MIGRATION.items() if MigrationState.COMMITTED in row.values()}
    assert ways == {MigrationState.COPYING}
    assert MIGRATION[MigrationState.ACTIVATED] == {"released": MigrationState.SUCCEEDED}
