"""What can go wrong with images, as one small tree; each error is one sentence that a user can act on.

`StorageError` is the root. Which gRPC status an error becomes, and back, is decided in `storage.status` only.
"""


class StorageError(Exception):
    """The image store, the service or a pull could not do what was asked; nothing was lost."""


class InvalidRequest(StorageError):
    """A name, digest, offset or image record that can never be right."""


class ImageNotFound(StorageError):
    """No image has this name."""


class BlobNotFound(StorageError):
    """The store holds no file with this digest."""


class MissingBlobs(StorageError):
    """An image record names files that the store does not hold (any more): push them again."""


class DigestMismatch(StorageError):
    """The bytes are not those that the digest announced; they were not kept."""


class Damaged(StorageError):
    """A file in the store no longer is what was written there."""


class StoreFull(StorageError):
    """No room on the disk, or a file above the size limit."""


class StoreUnusable(StorageError):
    """The directory cannot be read or written as it must be."""


class StorageUnreachable(StorageError):
    """The image service does not answer."""


class PullFailed(StorageError):
    """An image could not be fetched or built; the sentence says what to do instead."""


class AptMissing(PullFailed):
    """This host has no apt to fetch Debian packages with."""


class PackagesMissing(PullFailed):
    """The host's apt sources do not offer Debian 12's i386 packages."""
