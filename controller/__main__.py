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
from pathlib import Path

os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

import structlog
import uvloop

from controller import token
from controller.agents import GrpcAgent
from controller.clock import SystemClock
from controller.cluster import Cluster, ClusterConfig
from controller.errors import ControllerError, outcome_of
from controller.images import StoredImages
from controller.server import Server, write_address
from controller.version import VERSION

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
    parser.add_argument("--log-format", choices=("text", "json"), default="text")
    parser.add_argument("--version", action="version", version=VERSION)
    return parser.parse_args()


def configure_logs(log_format: str) -> None:
    """One line an event, to stderr."""
    renderer = (
        structlog.processors.JSONRenderer() if log_format == "json" else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[structlog.processors.add_log_level, structlog.processors.TimeStamper(fmt="iso"), renderer],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


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
        token.create(options.token_file)
    images = StoredImages(options.storage)
    config = ClusterConfig(
        cluster_id=options.cluster_id or cluster_id(directory),
        token=token.read(options.token_file),
        storage_address=options.storage,
    )
    cluster = Cluster(directory / "journal.db", config, dial=GrpcAgent, images=images, clock=SystemClock())
    server = Server(cluster)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    address = await server.start(options.listen)
    write_address(options.address_file, address)
    log.info("controller.ready", address=address, cluster=config.cluster_id, version=VERSION)
    await stop.wait()
    log.info("controller.stopping")
    await server.stop()
    await images.close()


def main() -> int:
    options = arguments()
    configure_logs(options.log_format)
    try:
        uvloop.run(serve(options))
    except (ControllerError, OSError) as error:
        log.error("controller.failed", error=str(error))
        return outcome_of(error).exit_status if isinstance(error, ControllerError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
