"""`python -m node`: one node of a cluster. Reads its settings from its arguments, and nothing from its environment."""

import argparse
import logging
import os
import sys
from pathlib import Path

import structlog
import uvloop

from node.domain import sizes


def main() -> None:
    os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"  # before grpc is imported: this process execs, it never forks
    from node.agent.server import NodeSettings, default_memory_bytes, serve
    from node.agent.storage_fetch import fetch

    given = _arguments()
    _log_as(given.log_format)
    host, port = given.listen
    if host in ("0.0.0.0", "[::]", "::") and not given.advertise:
        raise SystemExit(f"python -m node: --listen {host} is every address; --advertise says which one others reach")
    settings = NodeSettings(
        name=given.name,
        directory=given.state / "cluster" / "nodes" / given.name,
        listen_host=host,
        listen_port=port,
        advertise_host=given.advertise or host,
        controller=given.controller,
        token=given.token_file.read_text().strip() if given.token_file else "",
        address_file=given.address_file,
        memory_bytes=given.memory or default_memory_bytes(),
        machinery=given.machinery,
        template_arguments=(
            *("--cache", str(given.state / "cache" / "native")),
            *(("--precompiled", str(given.precompiled)) if given.precompiled else ()),
        ),
    )
    uvloop.run(serve(settings, fetch))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m node", description="Host virtual machines for a Limosa cluster.")
    parser.add_argument("--name", required=True, help="this node's name in the cluster")
    parser.add_argument("--state", required=True, type=Path, metavar="DIR", help="the state directory")
    parser.add_argument(
        "--listen", type=_address, default="127.0.0.1:0", metavar="HOST:PORT", help="port 0: any free one"
    )
    parser.add_argument(
        "--advertise", default="", metavar="HOST", help="how others reach this host (default: --listen's)"
    )
    parser.add_argument("--controller", default="", metavar="HOST:PORT", help="the cluster to join (default: none)")
    parser.add_argument("--token-file", type=Path, metavar="F", help="holds the cluster's token")
    parser.add_argument("--address-file", type=Path, metavar="F", help="where to write host:port once serving")
    parser.add_argument(
        "--memory", type=_size, default=0, metavar="SIZE", help="for VMs (default: 80 %% of what is free)"
    )
    parser.add_argument(
        "--precompiled", type=Path, metavar="DIR", help="compiled interpreters that came with the program, only read"
    )
    parser.add_argument("--log-format", choices=("text", "json"), default="text")
    parser.add_argument("--machinery", default="node.domain.native:MACHINERY", help=argparse.SUPPRESS)
    return parser.parse_args()


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 0xFFFF:
        raise argparse.ArgumentTypeError(f"{text!r} is no HOST:PORT")
    return host, int(port)


def _size(text: str) -> int:
    try:
        return sizes.parse(text)
    except sizes.BadSize as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _log_as(form: str) -> None:
    render = structlog.processors.JSONRenderer() if form == "json" else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            render,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)


if __name__ == "__main__":
    main()
