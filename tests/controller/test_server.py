"""The service as others find it: health, reflection, the token of a join, a port that is taken."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from controller.cli.health import serving
from controller.errors import Exhausted
from controller.server import SERVICES, Server
from protos import controller_pb2, controller_pb2_grpc
from tests.support.served_cluster import Served, served_cluster
from tests.support.twin_cluster import TOKEN, TwinCluster


def test_health_and_reflection_answer(tmp_path: Path) -> None:
    with served_cluster(tmp_path) as served:
        assert serving(served.address, timeout_s=5)
        with grpc.insecure_channel(served.address) as channel:
            stub = reflection_pb2_grpc.ServerReflectionStub(channel)
            request = reflection_pb2.ServerReflectionRequest(list_services="")
            (answer,) = stub.ServerReflectionInfo(iter([request]), timeout=5)
        assert set(SERVICES) <= {service.name for service in answer.list_services_response.service}
    assert not serving(served.address, timeout_s=1)


def test_a_join_without_the_token_is_refused_and_with_it_lives_as_long_as_the_call(tmp_path: Path) -> None:
    with served_cluster(tmp_path) as served, grpc.insecure_channel(served.address) as channel:
        stub = controller_pb2_grpc.MembershipServiceStub(channel)
        request = controller_pb2.JoinRequest(name="n1", address="twin-n1:1", memory_bytes=1 << 30)
        with pytest.raises(grpc.RpcError) as refused:
            list(stub.Join(request, metadata=(("limosa-token", "guess"),), timeout=5))
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED  # type: ignore[attr-defined]
        served.do(lambda: served.twin.leave(served.host("n1")))
        call = stub.Join(request, metadata=(("limosa-token", TOKEN),))
        assert next(call).cluster_id == "c1"
        assert state(served, "n1") == "ready"
        call.cancel()
        until(lambda: state(served, "n1") == "gone")
        served.do(lambda: served.twin.join(served.host("n1")))


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def state(served: Served, name: str) -> str:
    with grpc.insecure_channel(served.address) as channel:
        stub = controller_pb2_grpc.ControllerServiceStub(channel)
        reply = stub.ListNodes(controller_pb2.ListNodesRequest(), timeout=5)
    return next(str(node.state) for node in reply.nodes if node.name == name)


def test_a_port_in_use_is_an_error_and_no_shared_place(tmp_path: Path) -> None:
    with served_cluster(tmp_path) as served:

        async def second() -> None:
            twin = TwinCluster(tmp_path / "other.db", served.twin.world)
            server = Server(twin.cluster)
            try:
                with pytest.raises(Exhausted, match="in use"):
                    await server.start(served.address)
            finally:
                await server.stop()
            await asyncio.sleep(0)

        served.do(second)
