"""Bearer tokens: `qk_` and base62 digits. The log and every file know only a token's SHA-256."""

from __future__ import annotations

import re
import secrets
from hashlib import sha256

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_LENGTH = 32  # base62 digits: 190 bits
TOKEN = re.compile(r"qk_[0-9A-Za-z]{22,64}", re.ASCII)


def _base62(number: int) -> str:
    digits = []
    for _ in range(_LENGTH):
        number, digit = divmod(number, 62)
        digits.append(_DIGITS[digit])
    return "".join(digits)


def new_token() -> str:
    """A fresh secret token."""
    return "qk_" + _base62(secrets.randbits(256))


def public_token(text: str) -> str:
    """A token that anyone can compute from `text`: for demonstrations and tests, never for a venue with members."""
    return "qk_" + _base62(int.from_bytes(sha256(b"qhatu public token\0" + text.encode()).digest(), "big"))


def token_hash(token: str) -> bytes:
    """The 32 bytes that stand for a token in the log."""
    return sha256(token.encode()).digest()


if __name__ == "__main__":
    _token = new_token()
    print(f"token  {_token}   (give it to its owner; it is shown this once)")
    print(f"sha256 {token_hash(_token).hex()}   (goes into the configuration)")
