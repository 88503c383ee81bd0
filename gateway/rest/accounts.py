"""Accounts and keys: one's own, and for operators and administrators the registers."""

from __future__ import annotations

from typing import Any

from engine.codes import Role
from engine.messages.bodies import AddKey, OpenAccount, RevokeKey
from engine.state.venue import Account
from gateway.auth import ROLE_NAMES
from gateway.forms import time_ns
from gateway.problems import Problem
from gateway.rest.cold import command
from gateway.rest.routes import ROUTES, Call
from gateway.rest.schemas import AccountAnswer, AccountRequest, AccountsAnswer, DoneAnswer, KeyAnswer, KeyRequest
from gateway.tokens import new_token, token_hash

_ROLES = {name: role for role, name in ROLE_NAMES.items()}


@ROUTES.add("GET", "/v1/accounts/me", answer=AccountAnswer, tag="accounts", role=Role.READ)
async def get_me(call: Call) -> dict[str, Any]:
    """The caller's account and what its key may do."""
    assert call.caller is not None
    machine = call.front.machine
    orders = len(machine.hot.orders_of(call.account))
    return _view(machine.venue.accounts[call.account]) | {"roles": call.caller.role_names, "open_orders": orders}


@ROUTES.add("GET", "/v1/accounts", answer=AccountsAnswer, tag="accounts", role=Role.OPERATE)
async def get_accounts(call: Call) -> dict[str, Any]:
    """Every account."""
    accounts = call.front.machine.venue.accounts
    return {"accounts": [_view(accounts[number]) for number in sorted(accounts)]}


@ROUTES.add(
    "POST", "/v1/accounts", answer=AccountAnswer, tag="accounts", role=Role.ADMIN, status=201, body=AccountRequest,
    idempotency="required", codes=("already_exists", "idempotency_key_missing", "idempotency_key_reused"),
)  # fmt: skip
async def post_account(call: Call) -> dict[str, Any]:
    """Open an account. The label is a pseudonym: no person's name enters the log."""
    request = call.body
    await command(call, OpenAccount(request.account, request.label, request.kind))
    return _view(call.front.machine.venue.accounts[request.account])


@ROUTES.add(
    "POST", "/v1/keys", answer=KeyAnswer, tag="accounts", role=Role.ADMIN, status=201, body=KeyRequest,
    idempotency="required", codes=("account_unknown", "already_exists", "idempotency_key_reused"),
)  # fmt: skip
async def post_key(call: Call) -> dict[str, Any]:
    """Add a key. Give the SHA-256 of a token of your own making, or read the token that is made here: once."""
    request = call.body
    token = None
    if request.key_hash is None:
        token = new_token()
        key_hash = token_hash(token)
    else:
        key_hash = bytes.fromhex(request.key_hash)
    roles = 0
    for name in request.roles:
        roles |= _ROLES[name]
    expires_ns = 0
    if request.expires_at is not None:
        try:
            expires_ns = time_ns(request.expires_at) or 1  # 0 would be never
        except ValueError as error:
            raise Problem("invalid_field", f"{error}.", pointer="/expires_at") from None
    done = await command(call, AddKey(key_hash, request.account, int(roles), expires_ns))
    view: dict[str, Any] = {
        "account": request.account,
        "roles": [name for role, name in ROLE_NAMES.items() if roles & role],
        "key_hash": key_hash.hex(),
        "expires_at": call.form.time(expires_ns) if expires_ns else None,
        "seq": done.seq,
    }
    return view if token is None else view | {"token": token}


@ROUTES.add(
    "DELETE", "/v1/keys/{hash_prefix}", answer=DoneAnswer, tag="accounts", role=Role.ADMIN, codes=("key_unknown",)
)
async def delete_key(call: Call) -> dict[str, Any]:
    """Revoke a key by the first digits of its hash. Standing connections lose it within a second."""
    prefix = call.path["hash_prefix"]
    found = [key_hash for key_hash in call.front.machine.venue.keys if key_hash.hex().startswith(prefix)]
    if len(found) != 1:
        detail = "No key begins so." if not found else "More than one key begins so."
        raise Problem("key_unknown", detail, pointer="/hash_prefix")
    done = await command(call, RevokeKey(found[0]))
    return {"status": "accepted", "seq": done.seq, "duplicate": done.duplicate}


def _view(account: Account) -> dict[str, Any]:
    return {"account": account.account, "label": account.label, "kind": account.kind}
