"""Golden files of the command line under tests/golden/cli: compared, or written anew with LIMOSA_UPDATE_GOLDEN=1."""

import os
from pathlib import Path

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "cli"


def compare(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("LIMOSA_UPDATE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text()
