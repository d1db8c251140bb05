"""What other versions of Limosa have left in a cache: each has a directory there, named by its key."""

import re
import shutil
from pathlib import Path

UNUSED_S = 30 * 86_400.0
_KEY = re.compile("[0-9a-f]{32}")  # object_cache.py


def remove_unused(cache: Path, now: float) -> list[str]:
    """Remove the versions' directories of which no file has been written or marked as used (os.utime) in the last
    UNUSED_S before `now`, a Unix time; their names. Who still wants one has it made anew. Whatever else lies in `cache`
    is not ours."""
    if not cache.is_dir():
        return []
    versions = [each for each in sorted(cache.iterdir()) if _KEY.fullmatch(each.name) and each.is_dir()]
    unused = [each for each in versions if now - _last_use(each) > UNUSED_S]
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
