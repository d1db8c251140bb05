"""`limosa image push`: an image of a store on this machine, copied to an image service: its files, then its record.

The service says of each file whether it has it already, so pushing again costs it a reading and us a few messages. The
record goes last: an image that a reader finds is whole, and a push that breaks off is taken up by the next one.
"""

from collections.abc import Callable
from functools import partial

from protos.storage_pb2 import Image
from storage.client import push_blob, put_image
from storage.images import ImageStore
from storage.names import blobs_of


async def push_image(store: ImageStore, name: str, address: str, progress: Callable[[str], None]) -> Image:
    """Copies the image `name` of `store` to the service at `address`."""
    image = store.get(name)
    for ref in blobs_of(image.boot):
        line = f"image {name}: sending {ref.digest[:19]}… ({ref.size_bytes / 1e6:.1f} MB)"
        await push_blob(address, store.blobs.verified(ref), partial(progress, line))
    return await put_image(address, image)
