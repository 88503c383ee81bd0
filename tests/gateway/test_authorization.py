"""Who may call what: every route of the OpenAPI document x every kind of key. A new route without an entry fails."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_asyncio

from gateway.tokens import public_token
from tests.gateway.running import ADMIN, BOOK, READER, TRADER_A, TRADER_B, House

pytestmark = pytest.mark.asyncio(loop_scope="module")

EXPIRED, REVOKED, WRONG = public_token("expired"), public_token("revoked"), public_token("never registered")
OPERATOR = public_token("operates, does not administer")
KEYS: dict[str, str | None] = {
    "none": None,
    "wrong": WRONG,
    "garbled": "not a key",
    "expired": EXPIRED,
    "revoked": REVOKED,
    "reader": READER,
    "trader": TRADER_A,
    "other account": TRADER_B,
    "operator": OPERATOR,
    "admin": ADMIN,
}
ROLES = {
    "reader": {"read"},
    "trader": {"read", "trade"},
    "other account": {"read", "trade"},
    "operator": {"read", "operate"},
    "admin": {"read", "trade", "operate", "admin"},
}
REFUSAL = {"none": "missing_key", "expired": "key_expired"}  # of who holds no valid key; the others: unknown_key

# A request that gets past the door of each operation; what the market then says of it does not matter here.
REQUESTS: dict[str, dict[str, Any]] = {
    "get_time": {},
    "get_status": {},
    "get_instruments": {},
    "get_instrument": {"symbol": BOOK},
    "get_book": {"symbol": BOOK},
    "get_auction": {"symbol": BOOK},
    "get_trades": {"symbol": BOOK},
    "get_candles": {"symbol": BOOK},
    "get_auctions": {},
    "get_seasons": {},
    "get_season": {"season_id": 1},
    "get_season_ics": {"season_id": 1},
    "post_season": {"body": {}},
    "get_lots": {},
    "get_lot": {"lot_number": 1},
    "put_lot": {"lot_number": 1, "body": {}},
    "post_lots": {},
    "get_sales": {},
    "get_finished_sales": {},
    "get_sale": {"sale_id": 1},
    "post_bid": {"sale_id": 1, "body": {"lot": 1, "maximum": "5.00", "client_bid_id": "x"}},
    "post_sale": {"body": {}},
    "put_sale": {"sale_id": 1, "body": {}},
    "post_end": {"sale_id": 1, "body": {}},
    "post_void": {"sale_id": 1, "body": {}},
    "post_register": {"sale_id": 1, "body": {}},
    "post_admit": {"sale_id": 1, "body": {"account": 2}},
    "post_decide": {"sale_id": 1, "bid": 1, "body": {"accept": True}},
    "get_results": {"sale_id": 1},
    "get_own_bids": {"sale_id": 1},
    "post_keys": {"sale_id": 1, "body": {"keys": [{"bid": 1, "key": "0" * 64}]}},
    "post_open": {"sale_id": 1},
    "get_awards": {},
    "get_award": {"award": 1},
    "get_contract": {"award": 1},
    "post_settle": {"award": 1, "body": {"act": "accept"}},
    "post_split": {"award": 1, "body": {"shares": [{"bags": 1, "label": "us"}]}},
    "post_order": {"body": {}},
    "post_orders": {"body": {}},
    "post_replace": {"order_id": 1, "body": {}},
    "delete_order": {"order_id": 1},
    "delete_order_by_client_id": {"params": {"client_order_id": "x"}},
    "get_orders": {},
    "get_closed_orders": {},
    "get_order": {"order_id": 1},
    "get_fills": {},
    "get_me": {},
    "get_accounts": {},
    "post_account": {"body": {}},
    "post_key": {"body": {}},
    "delete_key": {"hash_prefix": "00000000"},
    "post_phase": {"symbol": BOOK, "body": {}},
    "post_uncross": {"symbol": BOOK, "body": {}},
    "post_reference": {"symbol": BOOK, "body": {}},
    "post_change": {"symbol": BOOK, "body": {}},
    "post_delist": {"symbol": BOOK, "body": {}},
    "post_kill_switch": {"body": {}},
    "post_operator_cancel": {"body": {}},
    "get_account": {"account": 2},
    "post_account_change": {"account": 2, "body": {}},
    "post_limits": {"account": 2, "body": {}},
    "post_deposit": {"account": 2, "body": {}},
    "post_bust": {"fill_id": "1-1", "body": {}},
    "post_correct": {"fill_id": "1-1", "body": {}},
    "get_random_ends": {"symbol": BOOK},
    "post_amend": {"order_id": 1, "body": {}},
    "post_amend_by_client_id": {"params": {"target_client_order_id": "x"}, "body": {}},
    "post_replace_by_client_id": {"params": {"target_client_order_id": "x"}, "body": {}},
    "post_instrument": {"body": {}},
    "post_mass_cancel": {"body": {}},
    "post_cancel_after": {"body": {}},
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def keyed(house: House) -> House:
    """The venue with a key that has expired, one that was revoked and an operator's."""
    for token, roles, more in (
        (EXPIRED, ["read", "trade", "admin"], {"expires_at": "2100-01-01T00:00:00Z"}),
        (REVOKED, ["read", "trade", "admin"], {}),
        (OPERATOR, ["read", "operate"], {}),
    ):
        from gateway.tokens import token_hash

        body = {"account": 2, "roles": roles, "key_hash": token_hash(token).hex()} | more
        headers = {"Idempotency-Key": f"key-{token[-8:]}"}
        status, _ = await house.ask("POST", "/v1/keys", body, key=ADMIN, headers=headers)
        assert status == 201
        if token is REVOKED:
            status, _ = await house.ask("DELETE", f"/v1/keys/{body['key_hash'][:12]}", key=ADMIN)
            assert status == 200
    real = house.venue.env.now_ns
    # The expired key's day comes only for the look at keys, not for the log.
    from gateway import auth

    original = auth.caller_of

    def later(token: str, keys: Any, now_ns: int) -> Any:
        return original(token, keys, 5 * 10**18 if token == EXPIRED else now_ns)

    auth.caller_of = later
    yield house
    auth.caller_of = original
    assert house.venue.env.now_ns == real


async def operations(house: House) -> dict[str, tuple[str, str, set[str]]]:
    _, document = await house.ask("GET", "/v1/openapi.json")
    return {
        operation["operationId"]: (method.upper(), path, {operation["x-role"], operation["x-or-role"]} - {None})
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


async def test_every_operation_has_a_row_in_the_matrix(keyed: House) -> None:
    assert set(await operations(keyed)) == set(REQUESTS)


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("operation", REQUESTS)
async def test_the_door_of_each_operation(keyed: House, operation: str, kind: str) -> None:
    method, path, roles = (await operations(keyed))[operation]
    request = dict(REQUESTS[operation])
    body, params = request.pop("body", None), request.pop("params", None)
    for name, value in request.items():
        path = path.replace(f"{{{name}}}", str(value))
    before = keyed.machine.state_hash()
    status, answer = await keyed.ask(method, path, body, key=KEYS[kind], params=params)
    code = answer.get("code")
    if kind not in ROLES:
        if kind == "none" and not roles:
            assert code not in ("missing_key", "unknown_key")
        else:
            assert (status, code) == (401, REFUSAL.get(kind, "unknown_key"))
            assert keyed.machine.state_hash() == before
    elif roles and not roles & ROLES[kind]:
        assert (status, code) == (403, "not_permitted")
        assert keyed.machine.state_hash() == before
    else:
        assert code not in ("missing_key", "unknown_key", "key_expired", "not_permitted")


async def test_a_refused_key_is_challenged(keyed: House) -> None:
    async with keyed.session.get("/v1/orders") as response:
        assert response.headers["WWW-Authenticate"].startswith("Bearer")


async def test_a_new_key_is_shown_once_and_works(keyed: House) -> None:
    headers = {"Idempotency-Key": "new-key"}
    body = {"account": 3, "roles": ["read"]}
    status, made = await keyed.ask("POST", "/v1/keys", body, key=ADMIN, headers=headers)
    assert status == 201 and made["roles"] == ["read"]
    _, me = await keyed.ask("GET", "/v1/accounts/me", key=made["token"])
    assert (me["account"], me["roles"]) == (3, ["read"])
    status, again = await keyed.ask("POST", "/v1/keys", body, key=ADMIN, headers=headers)
    assert (status, again["code"]) == (422, "idempotency_key_reused")


async def test_sockets_ask_for_the_same_roles(keyed: House) -> None:
    order = {"op": "order", "instrument": BOOK, "side": "buy", "price": "1.00", "quantity": "1", "client_order_id": "w"}
    nobody = await keyed.socket()
    assert (await nobody.ask(order))["code"] == "auth_required"
    assert (await nobody.ask({"op": "subscribe", "channel": "executions"}))["code"] == "missing_key"
    for token, code in ((WRONG, "unknown_key"), (REVOKED, "unknown_key"), ("x", "unknown_key")):
        assert (await nobody.ask({"op": "auth", "token": token}))["code"] == code
    reader = await keyed.socket(READER)
    assert (await reader.ask(order))["code"] == "not_permitted"
    assert (await reader.ask({"op": "subscribe", "channel": "executions"}))["op"] == "ok"
    for socket in (nobody, reader):
        await socket.close()


async def test_a_revoked_key_takes_its_sockets_with_it(keyed: House) -> None:
    body, headers = {"account": 3, "roles": ["read", "trade"]}, {"Idempotency-Key": "to-revoke"}
    _, made = await keyed.ask("POST", "/v1/keys", body, key=ADMIN, headers=headers)
    socket = await keyed.socket(made["token"])
    await socket.ask({"op": "subscribe", "channel": "executions"})
    await keyed.ask("DELETE", f"/v1/keys/{made['key_hash'][:16]}", key=ADMIN)
    with pytest.raises(ConnectionError, match="4001"):
        while True:
            await socket.hear()
