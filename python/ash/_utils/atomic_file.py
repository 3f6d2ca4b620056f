"""Writes files atomically: to a temporary file, which is flushed to disk and then renamed."""

import contextlib
import os
import secrets
from pathlib import Path

FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
"""Flags that only create new files. An existing file or link, which someone else may have planted, is never opened."""


def replace_file(path: Path, content: bytes, *, private: bool = False) -> None:
    """Write `content` to `path` so that after a crash either the old or the new file exists in full.

    Parameters
    ----------
    private : bool
        Whether only the user may read the file. By default its mode follows the umask, like that of any new file.
    """
    try:
        _replace(path, content, 0o600 if private else 0o666)
    except OSError as error:
        if error.filename is None:
            raise
        raise type(error)(error.errno, error.strerror, str(path)) from None  # names `path`, not the temporary file
    _sync_folder(path.parent)


def _replace(path: Path, content: bytes, mode: int) -> None:
    temporary = path.parent / f".{path.name[:64]}-{secrets.token_hex(8)}"
    handle = os.open(temporary, FLAGS, mode)
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
    """Make the rename durable. This is a no-op on systems that cannot open or sync folders, such as Windows."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
