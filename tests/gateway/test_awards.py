"""A sealed sale and what follows it, over the wire of a running venue: who sees what, the contract, the keys."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from engine.messages.batch import cold
from engine.messages.body import Body
from engine.messages.sales.after import After, Contract, Document
from engine.messages.sales.commands import Bid, EndSale
from engine.messages.sales.sealed import SealedOffer, Step
from engine.messages.sales.sealing import Place
from gateway.backups import back_up
from gateway.client.sealing import seal_bid
from gateway.contract_page import WORDS
from gateway.doctor.examine import examine
from gateway.places import VAULT_FILE
from gateway.restoring import restore
from gateway.sealed import seal_offer
from gateway.vault import read_keys
from tests.gateway.running import ADMIN, READER, TRADER_A, TRADER_B, House, running
from tests.sealed_sales import sealed_sale

OPERATOR, SELLER, BUYER = 1, 2, 3
DAY_NS = 24 * 3600 * 10**9
NASTY = '<script>alert("x")</script> & Söhne'
SAID = After(
    sample_ns=14 * DAY_NS,
    rejected="next_bidder",
    offer_ns=3 * DAY_NS,
    contract=Contract(
        form="escc", edition="2018", franchise_bps=50, sample_term="sas_no_approval_no_sale", incoterm="FOB",
        place="Callao", shipment_from="2027-05-01", shipment_to="2027-05-31", payment=NASTY,
        documents=(Document("cupping sheet", hashlib.sha256(b"sheet").digest()),),
    ),
)  # fmt: skip


async def do(house: House, body: Body, account: int = 0) -> int:
    """Straight into the sequencer: the sequence of the command."""
    outcome = await house.venue.front.outcome(cold(body, account=account))
    return int(outcome.first_seq + outcome.row0)


async def on_sale(house: House, sale: int = 1, seller: int = SELLER) -> None:
    terms = sealed_sale(house.venue.env.now_ns(), lots=1, sale=sale, keys_s=3600, bid_for_s=3600, after=SAID)
    lots = tuple(structs.replace(lot, seller=seller, title=NASTY, attributes={"origin": "Jaén"}) for lot in terms.lots)
    await do(house, structs.replace(terms, lots=lots))


async def bid(house: House, account: int, price: int, sale: int = 1) -> int:
    """As the gateway seals for a bidder."""
    place = Place(sale, account, 0)
    offer = await seal_offer(house.venue.front.vault, place, [Step(1, price, 10)], b"id")
    return await do(house, Bid(sale, offer), account)


async def sold(house: House, sale: int = 1, seller: int = SELLER) -> None:
    """Lot 1 goes to BUYER at 5.00; the operator's own account bid 4.70."""
    await on_sale(house, sale, seller)
    await bid(house, BUYER, 500, sale)
    await bid(house, OPERATOR, 470, sale)
    await do(house, EndSale(sale))
    status, body = await house.ask("POST", f"/v1/sales/{sale}/open", key=ADMIN)
    assert (status, body["opened"], body["missing"], body["state"]) == (200, 2, 0, "finished")


async def settle(house: House, key: str, award: int = 1, **said: Any) -> tuple[int, dict[str, Any]]:
    return await house.ask("POST", f"/v1/awards/{award}/settle", said, key=key)


async def test_an_award_is_its_parties_and_the_operators(tmp_path: Path) -> None:
    async with running(tmp_path) as house:
        await sold(house)
        await sold(house, sale=2, seller=OPERATOR)  # between BUYER and the operator: no matter of SELLER's
        for key, role, count in ((TRADER_B, "buyer", 2), (TRADER_A, "seller", 1), (READER, "seller", 1)):
            status, body = await house.ask("GET", "/v1/awards", key=key)
            assert status == 200 and len(body["awards"]) == count
            assert body["awards"][-1]["you_are"] == role
        _, body = await house.ask("GET", "/v1/awards?sale=1", key=ADMIN)
        assert [one["you_are"] for one in body["awards"]] == ["operator"]
        assert (await house.ask("GET", "/v1/awards"))[0] == 401
        for path in ("/v1/awards/2", "/v1/awards/2/contract", "/v1/awards/9"):
            status, body = await house.ask("GET", path, key=TRADER_A)
            assert (status, body["code"]) == (404, "award_unknown"), "to others there is none"
        status, body = await settle(house, TRADER_A, 2, act="dispute")
        assert (status, body["code"]) == (404, "award_unknown")


async def test_pages_of_awards(tmp_path: Path) -> None:
    async with running(tmp_path) as house:
        for sale in (1, 2, 3):
            await sold(house, sale)
        _, first = await house.ask("GET", "/v1/awards?limit=2", key=TRADER_B)
        assert [one["award"] for one in first["awards"]] == [3, 2] and first["next_before"] == 2
        _, rest = await house.ask("GET", "/v1/awards?limit=2&before=2", key=TRADER_B)
        assert [one["award"] for one in rest["awards"]] == [1] and rest["next_before"] is None


async def test_a_whole_settlement(tmp_path: Path) -> None:
    async with running(tmp_path) as house:
        await sold(house)
        status, body = await settle(house, TRADER_B, act="ask_allowance", price="4.80", why="2 % more moisture")
        assert (status, body["award"]["state"], body["award"]["asked_price"]) == (200, "allowance_asked", "4.80")
        status, body = await settle(house, TRADER_A, act="agree_allowance", price="4.80")
        award = body["award"]
        assert (award["state"], award["price"], award["value"], award["due"]) == ("final", "4.80", "3174.66", None)
        assert [(step["state"], step["by"]) for step in award["history"]] == [
            ("provisional", "operator"), ("allowance_asked", "buyer"), ("final", "seller"),
        ]  # fmt: skip
        shares = [{"bags": 4, "account": OPERATOR}, {"bags": 6, "label": "Roastery Norte"}]
        status, body = await house.ask("POST", "/v1/awards/1/split", {"shares": shares}, key=TRADER_B)
        assert status == 200 and len(body["award"]["shares"]) == 2
        _, body = await house.ask("GET", "/v1/awards/1", key=TRADER_A)
        assert "shares" not in body, "the seller has one buyer, whoever is behind it"


@pytest.mark.parametrize(
    ("key", "said", "status", "code"),
    [
        (TRADER_B, {"act": "decide", "outcome": "accepted"}, 403, "not_permitted"),
        (TRADER_A, {"act": "void"}, 403, "not_permitted"),
        (TRADER_A, {"act": "accept"}, 403, "not_owner"),
        (TRADER_B, {"act": "ask_allowance"}, 422, "missing_field"),
        (TRADER_B, {"act": "ask_allowance", "price": "4.805"}, 422, "off_tick"),
        (TRADER_B, {"act": "ask_allowance", "price": "5.00"}, 422, "allowance_range"),
        (TRADER_B, {"act": "accept", "price": "4.00"}, 422, "unknown_field"),
        (TRADER_B, {"act": "accept", "outcome": "accepted"}, 422, "unknown_field"),
        (ADMIN, {"act": "decide"}, 422, "missing_field"),
        (TRADER_A, {"act": "refuse_allowance"}, 409, "act_unfit"),
        (TRADER_B, {"act": "sing"}, 422, "invalid_field"),
        (READER, {"act": "accept"}, 403, "not_permitted"),
    ],
)
async def test_acts_that_are_refused(tmp_path: Path, key: str, said: dict[str, Any], status: int, code: str) -> None:
    async with running(tmp_path) as house:
        await sold(house)
        found, body = await settle(house, key, **said)
        assert (found, body["code"]) == (status, code)


async def test_the_contract_is_the_same_as_data_and_as_a_page(tmp_path: Path) -> None:
    async with running(tmp_path) as house:
        await sold(house)
        status, body = await house.ask("GET", "/v1/awards/1/contract", key=TRADER_B)
        assert status == 200
        assert (body["contract"], body["state"], body["silence"]) == ("test-000001", "provisional", "accepted")
        assert (body["net_kg"], body["net_kg_min"], body["net_kg_max"]) == ("300", "291", "309")
        assert (body["tolerance_percent"], body["franchise_percent"]) == ("3", "0.5")
        assert (body["price"], body["value"], body["currency"]) == ("5.00", "3306.93", "USD")
        assert (body["buyer"]["label"], body["seller"]["label"]) == ("importer-b", "coop-a")
        for language, title in (("en", "Confirmation of contract"), ("es", "Confirmación de contrato")):
            page, headers = await page_of(house, language, TRADER_A)
            assert title in page and f'lang="{language}"' in page and headers["Content-Language"] == language
            assert "<script" not in page and "&lt;script&gt;" in page, "what members write is text"
            style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
            assert style is not None
            digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
            policy = headers["Content-Security-Policy"]
            assert f"'sha256-{digest}'" in policy and policy.startswith("default-src 'none'")
            assert headers["Cache-Control"] == "no-store" and headers["X-Content-Type-Options"] == "nosniff"
            for text in ("test-000001", "300 kg", "FOB Callao", "5.00 USD/lb", "3306.93 USD", "2027-05-01", "Jaén",
                         hashlib.sha256(b"sheet").hexdigest(), WORDS[language]["sas_no_approval_no_sale"]):  # fmt: skip
                assert text in page
        status, body = await settle(house, TRADER_B, act="reject", why="mouldy")
        assert (await house.ask("GET", "/v1/awards/1/contract", key=TRADER_B))[0] == 409
        _, body = await house.ask("GET", "/v1/awards/2", key=ADMIN)
        assert (body["state"], body["instead_of"], body["price"], body["contract"]) == ("offered", 1, "4.70", None)


async def page_of(house: House, language: str, key: str) -> tuple[str, Any]:
    headers = {"Authorization": f"Bearer {key}", "Accept": "text/html"}
    async with house.session.get(f"/v1/awards/1/contract?lang={language}", headers=headers) as response:
        assert response.status == 200 and response.content_type == "text/html"
        return await response.text(), response.headers


async def test_a_bidder_that_seals_at_home_opens_its_own_bid(tmp_path: Path) -> None:
    async with running(tmp_path) as house:
        await on_sale(house)
        kept = seal_bid(sale=1, account=BUYER, steps=[(1, 500, 10)])
        offer = SealedOffer(
            0, base64.b64decode(str(kept.offer["ciphertext"])), bytes.fromhex(str(kept.offer["commitment"]))
        )
        seq = await do(house, Bid(1, offer), BUYER)
        keys = {"keys": [{"bid": seq, "key": kept.key}]}
        for key in (TRADER_B, ADMIN):
            status, body = await house.ask("POST", "/v1/sales/1/keys", keys, key=key)
            assert (status, body["code"]) == (409, "bids_not_closed")
        status, body = await house.ask("POST", "/v1/sales/1/open", key=ADMIN)
        assert (status, body["code"]) == (409, "bids_not_closed")
        await do(house, EndSale(1))
        _, body = await house.ask("POST", "/v1/sales/1/open", key=ADMIN)
        assert (body["opened"], body["missing"], body["state"]) == (0, 1, "pending"), "the venue cannot open it"
        status, body = await house.ask("POST", "/v1/sales/1/keys", keys, key=TRADER_A)
        assert (status, body["code"]) == (403, "not_owner")
        status, _ = await house.ask("POST", "/v1/sales/1/keys", keys, key=TRADER_B)
        assert status == 200
        _, body = await house.ask("GET", "/v1/awards", key=TRADER_B)
        assert [one["price"] for one in body["awards"]] == ["5.00"]
        assert (await house.ask("POST", "/v1/sales/1/open", key=ADMIN))[1]["code"] == "sale_closed"


async def test_a_bid_is_sealed_at_the_door_and_sent_again_is_the_same(tmp_path: Path) -> None:
    async with running(tmp_path) as house:
        await on_sale(house)
        steps = [{"lot": 1, "price": "5.00", "bags": 10}]
        said = {"client_bid_id": "once", "offer": {"kind": "sealed", "steps": steps}}
        status, first = await house.ask("POST", "/v1/sales/1/bids", said, key=TRADER_B)
        assert status == 201, first
        status, again = await house.ask("POST", "/v1/sales/1/bids", said, key=TRADER_B)
        assert (status, again["duplicate"], again["seq"]) == (200, True, first["seq"])
        socket = await house.socket(TRADER_B)
        answer = await socket.ask({"op": "bid", "sale": 1, **said})
        assert (answer["op"], answer["duplicate"], answer["seq"]) == ("bid", True, first["seq"])
        unfit = {"kind": "sealed", "steps": [{"lot": 1, "price": "5.001", "bags": 10}]}
        answer = await socket.ask({"op": "bid", "sale": 1, "client_bid_id": "unfit", "offer": unfit})
        assert (answer["op"], answer["code"]) == ("error", "off_tick")
        await socket.close()
        steps[0]["price"] = "5.10"
        status, body = await house.ask("POST", "/v1/sales/1/bids", said, key=TRADER_B)
        assert (status, body["code"]) == (409, "client_id_reused")
        kept = seal_bid(sale=1, account=OPERATOR, steps=[(1, 470, 10)])
        home = {"client_bid_id": "home", "offer": {"kind": "sealed", **kept.offer}}
        status, body = await house.ask("POST", "/v1/sales/1/bids", home, key=ADMIN)
        assert status == 201, body
        await do(house, EndSale(1))
        _, opened = await house.ask("POST", "/v1/sales/1/open", key=ADMIN)
        assert (opened["opened"], opened["missing"]) == (1, 1)
        await house.ask("POST", "/v1/sales/1/keys", {"keys": [{"bid": body["seq"], "key": kept.key}]}, key=ADMIN)
        for key, award in ((None, None), (TRADER_A, 1), (TRADER_B, 1), (ADMIN, 1)):
            _, body = await house.ask("GET", "/v1/sales/1/results", key=key)
            (row,) = body["results"]
            assert (row["price"], row["bags"], row["award"]) == ("5.00", 10, award)


async def test_keys_outlive_a_restart_a_backup_and_are_looked_after(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with running(data) as house:
        await on_sale(house)
        await bid(house, BUYER, 500)
        back_up(data, tmp_path / "backup")
        assert TRADER_B  # a bid after the backup is not in it
        await bid(house, OPERATOR, 470)
    assert {finding.about: finding.level for finding in examine(data)}["keys"] == "fine"
    restore(tmp_path / "backup", tmp_path / "restored")
    assert read_keys_of(tmp_path / "restored") < read_keys_of(data)
    for place, count in ((data, 2), (tmp_path / "restored", 1)):
        async with running(place) as house:
            await do(house, EndSale(1))
            _, body = await house.ask("POST", "/v1/sales/1/open", key=ADMIN)
            assert (body["opened"], body["state"]) == (count, "finished")


def read_keys_of(data: Path) -> set[bytes]:
    from engine.log.files import RealFiles

    return set(read_keys(RealFiles(), data / VAULT_FILE).keys)


async def test_a_vault_that_is_gone_is_told(tmp_path: Path) -> None:
    async with running(tmp_path) as house:
        await on_sale(house)
        for account, price in ((BUYER, 500), (OPERATOR, 470)):
            await bid(house, account, price)
        await do(house, EndSale(1))
    vault = tmp_path / VAULT_FILE
    raw = vault.read_bytes()
    vault.write_bytes(raw[:100] + bytes([raw[100] ^ 1]) + raw[101:])
    async with running(tmp_path) as house:
        status, body = await house.ask("POST", "/v1/sales/1/open", key=ADMIN)
        assert (status, body["code"]) == (503, "keys_lost")
    findings = {finding.about: finding for finding in examine(tmp_path)}
    assert findings["keys_damaged"].level == "lost" and "2 bids" in findings["keys_damaged"].what
    vault.unlink()
    findings = {finding.about: finding for finding in examine(tmp_path)}
    assert findings["keys_missing"].level == "warning"
