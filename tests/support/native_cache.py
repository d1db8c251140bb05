"""One compiled interpreter for all tests, also for the processes that they start."""

from pathlib import Path

from tests.support.engine import cache_directory

ROOT = Path(__file__).resolve().parents[2]


def share_with(state: Path) -> None:
    """Let a state directory use it."""
    cache_directory().mkdir(parents=True, exist_ok=True)
    (state / "cache").mkdir(parents=True, exist_ok=True)
    (state / "cache" / "native").symlink_to(cache_directory())
