"""What the fields of terms, offers and views are called on the wire. A new mechanism adds its names here.

prices    decimal text in the sale's unit, on its tick
spans     `clock_ns` is `clock_seconds`
times     any other `_ns`: `open_until_ns` is `open_until`, RFC 3339; in requests a number is seconds from now
bytes     hexadecimal; a ciphertext base64
"""

from __future__ import annotations

PRICES = frozenset(
    {
        "opening", "start", "floor", "price", "maximum", "minimum", "limit", "reserve", "increment", "decrement",
        "step",
    }
)  # fmt: skip
SPANS = frozenset(
    {
        "clock_ns", "stagger_ns", "round_ns", "interval_ns", "pause_ns", "joining_ns", "keys_ns", "sample_ns",
        "answer_ns", "offer_ns",
    }
)  # fmt: skip
BASE64 = frozenset({"ciphertext"})


def wire_name(name: str) -> str:
    if name in SPANS:
        return name[:-3] + "_seconds"
    return name.removesuffix("_ns")
