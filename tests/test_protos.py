"""The committed stubs are what the .proto files say."""

from pathlib import Path

from protos.generate import generate

ROOT = Path(__file__).resolve().parent.parent


def test_committed_stubs_are_up_to_date(tmp_path: Path) -> None:
    (tmp_path / "protos").mkdir()
    generate(tmp_path)
    made = {p.name: p.read_bytes() for p in (tmp_path / "protos").glob("*_pb2*")}
    committed = {p.name: p.read_bytes() for p in (ROOT / "protos").glob("*_pb2*")}
    assert made.keys() == committed.keys()
    stale = [name for name in made if made[name] != committed[name]]
    assert not stale, f"run `make protos`: {stale}"
