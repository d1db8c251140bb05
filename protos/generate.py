"""Regenerates the committed stubs from the .proto files beside this one: `python -m protos.generate [OUT]`."""

import sys
from pathlib import Path

import grpc_tools
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent


def generate(out: Path) -> None:
    """Write `*_pb2.py`, `*_pb2.pyi` and `*_pb2_grpc.py` of every proto under `out`/protos."""
    sources = sorted(str(p.relative_to(ROOT)) for p in (ROOT / "protos").glob("*.proto"))
    well_known = Path(grpc_tools.__file__).parent / "_proto"
    arguments = [
        "protoc",
        f"-I{ROOT}",
        f"-I{well_known}",
        f"--python_out={out}",
        f"--pyi_out={out}",
        f"--grpc_python_out={out}",
    ]
    if protoc.main(arguments + [str(ROOT / s) for s in sources]) != 0:
        raise SystemExit("protoc failed")
    for stub in (out / "protos").glob("*_pb2_grpc.py"):  # a proto without a service needs no service stub
        if "Stub" not in stub.read_text():
            stub.unlink()


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT)
