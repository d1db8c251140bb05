"""One table: exception, gRPC code, exit status; and the way over the wire and back."""

from pathlib import Path

import grpc
import pytest

from controller import errors
from controller.cli.session import Session
from controller.errors import (
    BARE_CODES,
    OUTCOMES,
    ControllerError,
    ControllerUnreachable,
    NodeUnreachable,
    NotFound,
    error_named,
    outcome_of,
)
from controller.lifecycle import UnknownTransition
from protos import controller_pb2
from tests.support.served_cluster import served_cluster


def test_every_exception_has_one_row_and_every_code_exists() -> None:
    kinds = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ControllerError)}
    assert [row.error for row in OUTCOMES] == list(dict.fromkeys(row.error for row in OUTCOMES))
    assert {row.error for row in OUTCOMES} == kinds
    assert {row.code for row in OUTCOMES} | set(BARE_CODES) <= {code.name for code in grpc.StatusCode}


def test_the_exit_statuses_are_those_that_are_documented() -> None:
    statuses = {row.error.__name__: row.exit_status for row in OUTCOMES}
    documented = {
        "Usage": 2,
        "NotFound": 3,
        "Refused": 4,
        "AlreadyExists": 4,
        "InvalidArgument": 4,
        "Exhausted": 4,
        "JournalFull": 4,
        "MigrationFailed": 5,
        "MigrationCancelled": 6,
        "Unconverged": 7,
        "Lost": 8,
        "ControllerUnreachable": 69,
    }
    assert documented.items() <= statuses.items()
    assert {statuses[name] for name in statuses.keys() - documented.keys()} == {1}


def test_a_subclass_without_a_row_takes_its_parents() -> None:
    assert outcome_of(UnknownTransition("x")).exit_status == 4


@pytest.mark.parametrize("row", OUTCOMES, ids=lambda row: row.error.__name__)
def test_every_error_comes_back_as_itself(row: errors.Outcome) -> None:
    back = error_named(row.error.__name__, row.code, "a sentence")
    assert type(back) is row.error and str(back) == "a sentence"


def test_errors_cross_the_wire_with_their_class_and_sentence(tmp_path: Path) -> None:
    with served_cluster(tmp_path) as served:
        session = Session(served.address)
        with pytest.raises(NotFound, match="no VM named 'x'"):
            session.call("GetVm", controller_pb2.VmRequest(vm="x"))
        with pytest.raises(NotFound, match="no job 'm-0'"):
            list(session.stream("WatchJob", controller_pb2.JobRequest(job="m-0")))
        served.host("n1").fail("create_vm")
        request = controller_pb2.CreateVmRequest(node="n1")
        request.spec.name = "a"
        with pytest.raises(NodeUnreachable, match="n1 does not answer"):
            session.call("CreateVm", request)
        session.close()


def test_a_controller_that_is_not_there_is_told_apart_from_a_node_that_is_not() -> None:
    session = Session("127.0.0.1:1")
    with pytest.raises(ControllerUnreachable, match="limosa up"):
        session.call("Status", controller_pb2.StatusRequest())
    session.close()
