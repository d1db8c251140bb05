"""Opening an image of a store on this machine: what it boots, as verified paths. Imports no gRPC."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from storage.errors import InvalidRequest
from storage.images import ImageStore

STORE = "images"  # the image store's directory under the state directory


@dataclass(frozen=True, slots=True)
class LocalImage:
    """What an image boots. `kernel` is the Linux kernel, the Multiboot kernel or the BIOS ROM, by `kind`."""

    name: str
    kind: Literal["linux", "multiboot", "bios"]
    kernel: Path
    initrd: Path | None
    command_line: str
    memory_bytes_min: int
    modules: tuple[Path, ...] = ()  # Multiboot modules


def open_local_image(state: Path, name: str) -> LocalImage:
    """The image `name` of the store under the state directory, its files read and found undamaged."""
    store = ImageStore(state / STORE)
    image = store.get(name)
    verified, boot, least = store.blobs.verified, image.boot, image.memory_bytes_min
    match boot.WhichOneof("kind"):
        case "linux":
            initrd = verified(boot.linux.initrd) if boot.linux.HasField("initrd") else None
            return LocalImage(name, "linux", verified(boot.linux.kernel), initrd, boot.linux.command_line, least)
        case "multiboot":
            if not boot.multiboot.HasField("kernel"):
                raise InvalidRequest(f"image {name} boots the built-in guest, which is no file of the image store")
            modules = tuple(verified(module) for module in boot.multiboot.modules)
            kernel, command_line = verified(boot.multiboot.kernel), boot.multiboot.command_line
            return LocalImage(name, "multiboot", kernel, None, command_line, least, modules)
        case _:
            return LocalImage(name, "bios", verified(boot.bios.rom), None, "", least)
