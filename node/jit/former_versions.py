"""What other versions of Limosa have left in a cache: each has a directory there, named by its key."""

import shutil
from pathlib import Path

UNUSED_S = 30 * 86_400.0


def remove_unused(cache: Path, now: float) -> list[str]:
    """Remove the directories of which no file has been written or marked as used (os.utime) in the last UNUSED_S before
    `now`, a Unix time; their names. Who still wants one has it made anew."""
    if not cache.is_dir():
        return []
    unused = [each for each in sorted(cache.iterdir()) if each.is_dir() and now - _last_use(each) > UNUSED_S]
    for directory in unused:
        shutil.rmtree(directory, ignore_errors=True)
    return [directory.name for directory in unused]


def _last_use(directory: Path) -> float:
    """Files may go meanwhile: others use the cache too."""
    newest = directory.stat().st_mtime
    for path in directory.rglob("*"):
        try:
            newest = max(newest, path.stat().st_mtime)
        except OSError:
            continue
    return newest
