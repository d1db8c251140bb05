"""The Debian 12 image for any test that wants a stock Linux: pulled once into a shared cache, then reused.

Where the image cannot be had (no apt, no
network, a host of another release) the test that asks is skipped, with the sentence that the pull gave.
"""

import fcntl
from pathlib import Path

import pytest

from storage.errors import PullFailed
from storage.images import ImageStore
from storage.local import STORE, LocalImage, open_local_image
from storage.names import blobs_of
from storage.pull import pull
from tests.support.shared_cache import shared_cache


def debian_image(state_dir: Path, name: str = "debian-12") -> LocalImage:
    """The image `name` ("debian-12" or "debian-12-686") in the store under `state_dir`."""
    cache = shared_cache()
    cache.mkdir(parents=True, exist_ok=True)
    try:
        with (cache / "pull.lock").open("w") as lock:  # two test processes need not fetch it twice
            fcntl.flock(lock, fcntl.LOCK_EX)
            pull(name, cache / STORE, lambda line: print(f"pull: {line}"))
    except PullFailed as error:
        pytest.skip(f"no Debian image: {error}")
    source, target = ImageStore(cache / STORE), ImageStore(state_dir / STORE)
    image = source.get(name)
    for ref in blobs_of(image.boot):
        target.blobs.put_file(source.blobs.verified(ref))
    target.put(image)
    return open_local_image(state_dir, name)
