"""Accounts and keys: one's own, and for operators and administrators the registers, limits and deposits."""

from __future__ import annotations

from typing import Any

from engine.codes import EventKind, Role
from engine.limits import NOTIONAL_MAX, SIDE_TOTAL_LOTS_MAX
from engine.machine import Machine
from engine.messages.bodies import AddKey, Deposit, OpenAccount, RevokeKey, SetAccount, SetLimits
from engine.state.venue import Account
from gateway.auth import ROLE_NAMES
from gateway.forms import time_ns
from gateway.problems import Problem
from gateway.rest.cold import command
from gateway.rest.operate_schemas import (
    AccountChangeAnswer,
    AccountChangeRequest,
    AccountDetail,
    DepositAnswer,
    DepositRequest,
    LimitsRequest,
)
from gateway.rest.routes import ROUTES, Call
from gateway.rest.schemas import AccountAnswer, AccountRequest, AccountsAnswer, DoneAnswer, KeyAnswer, KeyRequest
from gateway.tokens import new_token, token_hash

_ROLES = {name: role for role, name in ROLE_NAMES.items()}


@ROUTES.add("GET", "/v1/accounts/me", answer=AccountAnswer, tag="accounts", role=Role.READ)
async def get_me(call: Call) -> dict[str, Any]:
    """The caller's account, what its key may do, and what it may have open."""
    assert call.caller is not None
    return _detail(call, call.account) | {"roles": call.caller.role_names}


@ROUTES.add(
    "GET", "/v1/accounts/{account}", answer=AccountDetail, tag="accounts", role=Role.OPERATE,
    codes=("account_unknown",),
)  # fmt: skip
async def get_account(call: Call) -> dict[str, Any]:
    """One account with its limits and deposits."""
    return _detail(call, _known(call))


@ROUTES.add(
    "POST", "/v1/accounts/{account}", answer=AccountChangeAnswer, tag="operate", role=Role.OPERATE,
    body=AccountChangeRequest, idempotency="required", codes=("account_unknown", "orders_open", "body_invalid"),
)  # fmt: skip
async def post_account_change(call: Call) -> dict[str, Any]:
    """Freeze an account or let it go on, or put it into a group or class. A frozen one may cancel, nothing else."""
    account, said = _known(call), call.body
    done = await command(call, SetAccount(account, said.group, said.coop, said.frozen, said.cancel, said.why))
    now = call.front.machine.venue.accounts[account]
    return {
        "status": "accepted",
        "account": account,
        "group": now.group,
        "coop": now.coop,
        "frozen": now.frozen,
        "cancelled_orders": int(done.events["qty"][done.events["kind"] == EventKind.ACCOUNT_SET].sum()),
        "seq": done.seq,
        "duplicate": done.duplicate,
    }


@ROUTES.add(
    "POST", "/v1/accounts/{account}/limits", answer=DoneAnswer, tag="operate", role=Role.OPERATE, body=LimitsRequest,
    idempotency="required", codes=("account_unknown", "currency_unknown", "limit_reached"),
)  # fmt: skip
async def post_limits(call: Call) -> dict[str, Any]:
    """What an account may have open in a currency: worth of its buys, of its sells, and number of orders."""
    account, said = _known(call), call.body
    buy_max, sell_max = _worth(said.buy_max, "/buy_max"), _worth(said.sell_max, "/sell_max")
    done = await command(call, SetLimits(account, said.currency, buy_max, sell_max, said.orders_max))
    return {"status": "accepted", "seq": done.seq, "duplicate": done.duplicate}


@ROUTES.add(
    "POST", "/v1/accounts/{account}/deposits", answer=DepositAnswer, tag="operate", role=Role.OPERATE,
    body=DepositRequest, idempotency="required",
    codes=("account_unknown", "instrument_unknown", "stock_not_kept", "stock_short", "side_total_range"),
)  # fmt: skip
async def post_deposit(call: Call) -> dict[str, Any]:
    """Lots that an account has brought in, or taken out, of an instrument that asks for deposit."""
    account, said, hot = _known(call), call.body, call.front.machine.hot
    listing = call.front.desk.listing(said.instrument)
    lots = int(said.lots)
    if abs(lots) > SIDE_TOTAL_LOTS_MAX:
        raise Problem("qty_range", f"More than {SIDE_TOTAL_LOTS_MAX} lots.", pointer="/lots")
    done = await command(call, Deposit(account, listing.instrument, lots, said.why))
    return {
        "status": "accepted",
        "account": account,
        "instrument": listing.symbol,
        "lots": call.form.qty(hot.stock_of(account, listing.instrument)[0]),
        "seq": done.seq,
        "duplicate": done.duplicate,
    }


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
    return {"account": account.account, "label": account.label, "kind": account.kind, "frozen": account.frozen}


def _known(call: Call) -> int:
    account: int = call.path["account"]
    if account not in call.front.machine.venue.accounts:
        raise Problem("account_unknown", "There is no such account.", pointer="/account")
    return account


def _worth(text: str, pointer: str) -> int:
    worth = int(text)
    if worth > NOTIONAL_MAX:
        raise Problem("invalid_field", f"More than {NOTIONAL_MAX}.", pointer=pointer)
    return worth


def _detail(call: Call, number: int) -> dict[str, Any]:
    machine, form = call.front.machine, call.form
    account = machine.venue.accounts[number]
    return _view(account) | {
        "group": account.group,
        "coop": account.coop,
        "open_orders": len(machine.hot.orders_of(number)),
        "limits": _limits(machine, number),
        "stock": [
            {"instrument": listing.symbol, "lots": form.qty(lots), "promised": form.qty(promised)}
            for listing in machine.venue.instruments.values()
            if listing.deposit
            for lots, promised in [machine.hot.stock_of(number, listing.instrument)]
            if lots
        ],
    }


def _limits(machine: Machine, account: int) -> list[dict[str, Any]]:
    found = []
    for currency, number in sorted(machine.venue.currencies.items()):
        limits = machine.venue.account_limits.get((account, number))
        if limits is not None:
            buys, sells, orders = machine.hot.limits_of(account, number)
            found.append(
                {
                    "currency": currency,
                    "buy_max": str(limits.buy_max),
                    "sell_max": str(limits.sell_max),
                    "orders_max": limits.orders_max,
                    "buy_used": str(buys),
                    "sell_used": str(sells),
                    "orders_used": orders,
                }
            )
    return found
