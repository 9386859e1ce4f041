"""Fingerprints of keys, as people see and type them. Pure functions."""

from __future__ import annotations

import base64
import re
from typing import Final

FINGERPRINT_BYTES: Final = 32

_PREFIX = "SHA256:"
_BASE64 = re.compile(r"[A-Za-z0-9+/]{43}")
_HEX = re.compile(r"[0-9A-Fa-f]{64}|[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){31}")


def show_fingerprint(fingerprint: bytes) -> str:
    """Give a fingerprint of 32 bytes as people see it, and as ssh writes it: `SHA256:` and 43 characters.

    Raises `ValueError` if it is not 32 bytes long.
    """
    if len(fingerprint) != FINGERPRINT_BYTES:
        raise ValueError(f"a fingerprint of {len(fingerprint)} bytes: {FINGERPRINT_BYTES}")
    return _PREFIX + base64.b64encode(fingerprint).decode().rstrip("=")


def read_fingerprint(text: str) -> bytes | None:
    """Give the 32 bytes that a fingerprint means: `show_fingerprint`'s form, or 64 hex digits.

    The hex digits may have a colon between each two. None: it is none.
    """
    if _HEX.fullmatch(text):
        return bytes.fromhex(text.replace(":", ""))
    if text.startswith(_PREFIX) and _BASE64.fullmatch(text, len(_PREFIX)):
        found = base64.b64decode(text[len(_PREFIX) :] + "=")
        if show_fingerprint(found) == text:  # else its last character has bits that belong to no byte
            return found
    return None
