"""The cluster's token: the secret that a node joins with, in a file that its nodes can read.

Who makes it, makes it once: a file that is there is never replaced, for nodes hold what it says.
"""

import os
import secrets
from pathlib import Path

from controller.errors import InvalidArgument, NotFound

TOKEN_BYTES = 16


def create(path: Path) -> None:
    """Make the file if there is none; whoever finds it finds it whole, also after a crash."""
    if path.exists():
        return
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w") as file:
        file.write(secrets.token_hex(TOKEN_BYTES) + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(aside, path)
    except FileExistsError:  # another one was faster
        pass
    finally:
        aside.unlink()


def read(path: Path) -> str:
    """The token; an error says what is wrong with the file."""
    try:
        token = path.read_text().strip()
    except FileNotFoundError:
        raise NotFound(f"there is no token file {path}; --create-token makes one") from None
    if not token:
        raise InvalidArgument(f"the token file {path} is empty; remove it, and --create-token makes another")
    return token
