"""The lifecycle table: its rules, not its rows."""

import pytest

from node.domain.lifecycle import REPORTED_AS, TRANSITIONS, Event, IllegalTransition, State, after
from protos import common_pb2

RUNS = {State.RUNNING, State.MIGRATING}
HAS_PROCESS = set(State) - {State.STOPPED, State.CRASHED, State.LOST, State.GONE}


def test_every_state_has_a_row_and_a_reported_state() -> None:
    assert set(TRANSITIONS) == set(REPORTED_AS) == set(State)


def test_every_state_but_the_first_is_reached_and_every_event_is_used() -> None:
    reached = {state for row in TRANSITIONS.values() for state in row.values()}
    assert reached == set(State) - {State.BUILDING}
    assert {event for row in TRANSITIONS.values() for event in row} == set(Event)


def test_impossible_event_is_refused_with_a_sentence_that_names_state_and_event() -> None:
    with pytest.raises(IllegalTransition, match=r"is stopped: pause is not possible"):
        after(State.STOPPED, Event.PAUSE)


@pytest.mark.parametrize("state", [state for state in State if state in HAS_PROCESS])
def test_domain_process_may_die_in_every_state_that_has_one(state: State) -> None:
    assert after(state, Event.DOMAIN_DIED) in (State.CRASHED, State.LOST, State.GONE)


def test_copy_that_waits_for_the_verdict_is_moved_by_nothing_but_the_verdict_or_its_death() -> None:
    assert set(TRANSITIONS[State.DECIDING]) == {Event.CANCEL, Event.RELEASE, Event.DOMAIN_DIED}
    assert after(State.DECIDING, Event.CANCEL) is State.RUNNING
    assert after(State.DECIDING, Event.RELEASE) is State.GONE


def test_copy_that_died_waiting_for_the_verdict_does_not_boot_before_it_is_heard() -> None:
    assert after(State.DECIDING, Event.DOMAIN_DIED) is State.LOST
    assert {s for s in TRANSITIONS[State.LOST].values()} <= {State.CRASHED, State.GONE}


def test_incoming_copy_runs_only_by_activation() -> None:
    assert {e for e, s in TRANSITIONS[State.INCOMING].items() if s in RUNS} == {Event.ACTIVATE}


def test_second_migration_is_refused_while_one_is_under_way() -> None:
    assert [s for s in State if Event.MIGRATE in TRANSITIONS[s]] == [State.RUNNING]


def test_nothing_leads_out_of_gone() -> None:
    assert not TRANSITIONS[State.GONE]


def test_states_in_which_a_guest_executes_are_the_ones_reported_as_running() -> None:
    assert {s for s, reported in REPORTED_AS.items() if reported == common_pb2.VM_STATE_RUNNING} == RUNS
