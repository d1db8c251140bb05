"""One compiled interpreter for all tests: compiled by the first that needs it, found by the others and next time."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".pytest_cache" / "native"


def share_with(state: Path) -> None:
    """Let a state directory use it."""
    CACHE.mkdir(parents=True, exist_ok=True)
    (state / "cache").mkdir(parents=True, exist_ok=True)
    (state / "cache" / "native").symlink_to(CACHE)
