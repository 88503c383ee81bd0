"""Who is calling: bearer tokens, known to the venue by their SHA-256 alone."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from engine.codes import Role
from gateway.problems import Problem
from gateway.tokens import TOKEN, token_hash

ROLE_NAMES = {Role.READ: "read", Role.TRADE: "trade", Role.OPERATE: "operate", Role.ADMIN: "admin"}


class Key(Protocol):
    """A key of the venue's register."""

    @property
    def account(self) -> int: ...

    @property
    def roles(self) -> int: ...

    @property
    def expires_ns(self) -> int: ...


class Keys(Protocol):
    """The venue's register of keys, by hash."""

    def get(self, key_hash: bytes, /) -> Key | None: ...


class Caller(NamedTuple):
    """The holder of a valid key."""

    account: int
    roles: int
    key_hash: bytes
    expires_ns: int = 0

    def may(self, role: Role) -> bool:
        return bool(self.roles & role)

    @property
    def role_names(self) -> list[str]:
        return [name for role, name in ROLE_NAMES.items() if self.roles & role]


def caller_of(token: str, keys: Keys, now_ns: int) -> Caller:
    """The caller that a token names. Raises Problem: unknown_key (also after a revocation), key_expired."""
    key_hash = token_hash(token) if TOKEN.fullmatch(token) else b""
    key = keys.get(key_hash)
    if key is None:
        raise Problem("unknown_key", "The venue does not know this key.", headers=_challenge("invalid_token"))
    if key.expires_ns and now_ns >= key.expires_ns:
        raise Problem("key_expired", "The key has expired.", headers=_challenge("invalid_token"))
    return Caller(int(key.account), int(key.roles), key_hash, int(key.expires_ns))


def still_valid(caller: Caller, keys: Keys, now_ns: int) -> bool:
    """Whether the key behind a standing connection is still in the register and in time."""
    return keys.get(caller.key_hash) is not None and not (caller.expires_ns and now_ns >= caller.expires_ns)


def caller_of_header(header: str | None, keys: Keys, now_ns: int) -> Caller | None:
    """The caller of an Authorization header; None without one. Raises Problem for anything else."""
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Problem("unknown_key", "Authorization must be: Bearer <key>.", headers=_challenge("invalid_request"))
    return caller_of(token.strip(), keys, now_ns)


def demand(caller: Caller | None, role: Role) -> Caller:
    """The caller, who must hold `role`. Raises Problem: missing_key, not_permitted."""
    if caller is None:
        raise Problem("missing_key", "This needs a key: Authorization: Bearer <key>.", headers=_challenge(None))
    if not caller.may(role):
        raise Problem("not_permitted", f"This needs the role {ROLE_NAMES[role]}.")
    return caller


def _challenge(error: str | None) -> dict[str, str]:
    return {"WWW-Authenticate": 'Bearer realm="qhatu"' + (f', error="{error}"' if error else "")}
