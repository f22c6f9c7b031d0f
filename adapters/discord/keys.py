"""What a key of ours becomes where Discord takes only so many characters."""

import hashlib


def nonce_of(key: str) -> str:
    """The same for the same key; Discord takes 25 characters."""
    return hashlib.blake2b(key.encode(), digest_size=12).hexdigest()


def mark_of(key: str) -> str:
    """The same, shorter: a part of the name of a button."""
    return hashlib.blake2b(key.encode(), digest_size=8).hexdigest()
