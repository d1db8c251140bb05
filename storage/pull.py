"""`limosa image pull`: fetching the images that Limosa knows how to make, straight into a store on this machine.

Whole images in the store are left as they are, without a look at the network; remove an image to fetch it anew. An
interrupted pull leaves whole files or none, and the next one goes on from what was downloaded. Two pulls at once do not
meet: the second waits for the first, and then finds its images.
"""

import fcntl
import time
from collections.abc import Callable
from pathlib import Path

from storage import debian
from storage.apt import Apt
from storage.errors import AptMissing, BlobNotFound, Damaged, ImageNotFound, InvalidRequest
from storage.files import disk_errors, make_directory
from storage.images import ImageStore
from storage.names import blobs_of

KNOWN = tuple(flavour.image for flavour in debian.FLAVOURS)  # asking for one makes both: they share nearly everything


def pull(name: str, store_dir: Path, progress: Callable[[str], None]) -> list[str]:
    """Makes the image `name` and its siblings in the store `store_dir`; returns the images' names."""
    if name not in KNOWN:
        raise InvalidRequest(f"there is no image {name[:80]!r} to pull; there are: {', '.join(KNOWN)}")
    store = ImageStore(store_dir)
    if not _are_here(store):
        directory = store_dir / "cache" / "debian-12"
        make_directory(directory)
        with disk_errors(directory), (directory / "lock").open("ab") as lock:
            _wait_for(lock.fileno(), progress)
            if not _are_here(store):
                _pull_debian(store, directory, progress)
                return list(KNOWN)
    progress(f"the images {', '.join(KNOWN)} are here already")
    return list(KNOWN)


def _pull_debian(store: ImageStore, directory: Path, progress: Callable[[str], None]) -> None:
    try:
        apt = Apt(directory, "i386")
    except AptMissing as error:
        raise AptMissing(
            f"{error}; pull on a Debian or Ubuntu host, or boot files of your own with --kernel and --initrd"
        ) from error
    apt.prepare()
    progress("fetching package lists")
    complaint = apt.update()
    if complaint:
        progress(f"not every package list could be fetched ({complaint}); using what is there")
    chosen = debian.choose(apt)
    if chosen is None:
        raise debian.missing(apt, complaint)
    debian.build(store, apt, *chosen, progress, now_unix_ns=time.time_ns())


def _wait_for(lock: int, progress: Callable[[str], None]) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        progress("another pull is at work; waiting for it")
        fcntl.flock(lock, fcntl.LOCK_EX)


def _are_here(store: ImageStore) -> bool:
    try:
        for name in KNOWN:
            for ref in blobs_of(store.get(name).boot):
                store.blobs.verified(ref)
    except (ImageNotFound, BlobNotFound, Damaged):
        return False
    return True
