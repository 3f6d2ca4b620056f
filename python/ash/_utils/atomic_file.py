"""Files that are there whole or not at all: written under another name, made durable, renamed."""

import contextlib
import os
import tempfile
from pathlib import Path


def replace_file(path: Path, content: bytes) -> None:
    """Write `content` to `path` so that after a crash either the old or the new file is there, whole."""
    try:
        _replace(path, content)
    except OSError as error:
        if error.filename is None:
            raise
        raise type(error)(error.errno, error.strerror, str(path)) from None  # not the temporary name
    _sync_folder(path.parent)


def _replace(path: Path, content: bytes) -> None:
    # mkstemp opens with O_EXCL, O_NOFOLLOW and mode 0600: no planted link is followed, and no other user can write it.
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:64]}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable; where a folder cannot be opened or synced (Windows) it is so by itself."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
