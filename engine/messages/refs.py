"""Client ids: the three forms of `client_ref` and the 16 bytes that each becomes.

Stream form (packed path): stream u4, zero u4, number u8. Text form: the ASCII bytes, zero padded, exact up to 15 bytes;
a longer text is BLAKE2b-128 of its bytes and travels whole in the record's blob.
"""

from __future__ import annotations

import re
from hashlib import blake2b

from engine.codes import RefForm
from engine.limits import CLIENT_ID_CHARS_MAX, CLIENT_ID_EXACT_BYTES

CLIENT_ID_PATTERN = rf"^[A-Za-z0-9._:-]{{1,{CLIENT_ID_CHARS_MAX}}}$"
_CLIENT_ID = re.compile(CLIENT_ID_PATTERN, re.ASCII)


def text_ref(text: str) -> tuple[RefForm, int, int]:
    """(form, hi, lo) of a text id. Raises ValueError when the text is not 1-36 of [A-Za-z0-9._:-]."""
    if not _CLIENT_ID.fullmatch(text):
        raise ValueError(f"client id must be 1 to {CLIENT_ID_CHARS_MAX} characters of A-Z a-z 0-9 . _ : -")
    raw = text.encode("ascii")
    if len(raw) <= CLIENT_ID_EXACT_BYTES:
        form, raw = RefForm.TEXT, raw.ljust(16, b"\0")
    else:
        form, raw = RefForm.DIGEST, blake2b(raw, digest_size=16).digest()
    return form, int.from_bytes(raw[:8], "little"), int.from_bytes(raw[8:], "little")


def exact_text(hi: int, lo: int) -> str:
    """The text of a TEXT ref, out of its 16 bytes."""
    return (hi.to_bytes(8, "little") + lo.to_bytes(8, "little")).rstrip(b"\0").decode("ascii")


def stream_ref(stream: int, number: int) -> tuple[RefForm, int, int]:
    """(form, hi, lo) of message `number` (u8, rising) of `stream` (u4)."""
    return RefForm.STREAM, stream & 0xFFFFFFFF, number


def is_exact_text(hi: int, lo: int) -> bool:
    """Whether 16 bytes are a well-formed TEXT ref: 1 to 15 allowed characters, zero padded."""
    raw = hi.to_bytes(8, "little") + lo.to_bytes(8, "little")
    text = raw.rstrip(b"\0")
    return len(text) <= CLIENT_ID_EXACT_BYTES and _CLIENT_ID.fullmatch(text.decode("latin-1")) is not None


def is_digest_of(raw: bytes, hi: int, lo: int) -> bool:
    """Whether `raw` is a well-formed long text id whose digest is (hi, lo)."""
    if len(raw) <= CLIENT_ID_EXACT_BYTES or _CLIENT_ID.fullmatch(raw.decode("latin-1")) is None:
        return False
    return text_ref(raw.decode("ascii")) == (RefForm.DIGEST, hi, lo)
