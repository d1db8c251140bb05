"""`python -m controller`: the control plane as a process. The only file of the service that reads arguments and clocks.

Ready means: the address file holds "host:port". SIGTERM or SIGINT end it in order; kill -9 at any moment is also an
order, because the journal knows how to go on.
"""

import argparse
import asyncio
import os
import secrets
import signal
import sys
from functools import partial
from pathlib import Path

os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"  # before gRPC is imported: this process does not fork
os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # what its core would say reaches us as an error, a line of ours

import structlog
import uvloop
from prometheus_client import CollectorRegistry

from controller import token_file
from controller.agents import GrpcAgent
from controller.clock import SystemClock
from controller.cluster import Cluster, ClusterConfig
from controller.errors import ControllerError, Exhausted, outcome_of
from controller.images import StoredImages
from controller.metrics.telemetry import Telemetry
from controller.record_log import log_record
from controller.server import Server, write_address
from controller.version import VERSION
from service import logs
from service.endpoint import CannotListen, Endpoint
from service.registry import new_registry
from service.rpc import Accounting

log = structlog.get_logger()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m controller", description="Limosa's control plane.")
    parser.add_argument("--state", type=Path, required=True, help="the cluster's state directory")
    parser.add_argument("--listen", default="127.0.0.1:0", help="host:port to listen on; port 0: any")
    parser.add_argument("--storage", required=True, help="host:port of the image store")
    parser.add_argument("--token-file", type=Path, required=True, help="file with the token that nodes join with")
    parser.add_argument("--create-token", action="store_true", help="make the token file if there is none")
    parser.add_argument("--address-file", type=Path, required=True, help="written when ready: host:port")
    parser.add_argument("--cluster-id", default="", help="the cluster's name; default: one made with the journal")
    parser.add_argument("--metrics", default="", help="host:port for /metrics; port 0: any; default: none")
    parser.add_argument("--metrics-address-file", type=Path, help="written before the address file: host:port")
    parser.add_argument("--log-format", choices=logs.FORMATS, default="text")
    parser.add_argument("--version", action="version", version=VERSION)
    return parser.parse_args()


def cluster_id(directory: Path) -> str:
    """The journal's own name: made once, kept beside it."""
    path = directory / "id"
    if not path.exists():
        path.write_text(secrets.token_hex(8) + "\n")
    return path.read_text().strip()


async def serve(options: argparse.Namespace) -> None:
    directory = options.state / "cluster" / "controller"
    directory.mkdir(parents=True, exist_ok=True)
    if options.create_token:
        token_file.create(options.token_file)
    if options.metrics_address_file:
        options.metrics_address_file.unlink(missing_ok=True)  # that of an earlier life
    images = StoredImages(options.storage)
    config = ClusterConfig(
        cluster_id=options.cluster_id or cluster_id(directory),
        token=token_file.read(options.token_file),
        storage_address=options.storage,
    )
    clock = SystemClock()
    registry = new_registry(service="controller", version=VERSION)
    dial = partial(GrpcAgent, token=config.token)
    cluster = Cluster(directory / "journal.db", config, dial=dial, images=images, clock=clock)
    cluster.follow(log_record)
    telemetry = Telemetry(cluster, registry, clock)
    endpoint = open_endpoint(options, registry, telemetry)
    try:
        metrics_address = endpoint.address if endpoint is not None else ""
        server = Server(cluster, interceptors=[Accounting(registry)], metrics_address=metrics_address)
        await run(options, server, telemetry, cluster=config.cluster_id, metrics=metrics_address)
        await images.close()
    finally:
        if endpoint is not None:
            endpoint.close()


async def run(options: argparse.Namespace, server: Server, telemetry: Telemetry, **facts: str) -> None:
    """From listening until a signal says to end."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    address = await server.start(options.listen)
    publishing = asyncio.create_task(telemetry.publish(), name="publish the metrics' snapshot")
    if facts["metrics"] and options.metrics_address_file:
        write_address(options.metrics_address_file, facts["metrics"])
    write_address(options.address_file, address)
    log.info("controller.ready", address=address, version=VERSION, **facts)
    await stop.wait()
    log.info("controller.stopping")
    publishing.cancel()
    await server.stop()


def open_endpoint(options: argparse.Namespace, registry: CollectorRegistry, telemetry: Telemetry) -> Endpoint | None:
    if not options.metrics:
        return None
    try:
        return Endpoint(options.metrics, registry, {"/discovery/nodes": telemetry.discovery})
    except CannotListen as error:
        raise Exhausted(str(error)) from error


def main() -> int:
    options = arguments()
    logs.configure(options.log_format, service="controller")
    try:
        uvloop.run(serve(options))
    except (ControllerError, OSError) as error:
        log.error("controller.failed", error=str(error))
        return outcome_of(error).exit_status if isinstance(error, ControllerError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
