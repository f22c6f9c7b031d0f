"""Pictures as every provider takes them."""

import base64

from bot.llm.base import Image

IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")
MAX_IMAGE_BYTES = 5 * 1024 * 1024
"""The strictest of them refuses a request with a larger one."""
LEFT_OUT = "[picture left out: too large, or of a kind that cannot be read]"
"""What a model is told instead of a picture that it would refuse."""


def in_base64(image: Image) -> str | None:
    """Its bytes as they are sent; None: it would be refused."""
    if image.media_type not in IMAGE_TYPES or not 0 < len(image.data) <= MAX_IMAGE_BYTES:
        return None
    return base64.b64encode(image.data).decode("ascii")
