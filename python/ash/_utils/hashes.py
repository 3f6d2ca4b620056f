"""Hashes of contents, for identities and checksums."""

import hashlib


def hash_of(content: str | bytes, size: int = 8) -> str:
    """Return the BLAKE2b hash of `size` bytes as hexadecimal digits."""
    whole = content.encode(errors="surrogatepass") if isinstance(content, str) else content
    return hashlib.blake2b(whole, digest_size=size).hexdigest()
