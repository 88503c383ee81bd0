"""A sale by sealed bids for tests of rules: its terms, bids under known keys, and the keys."""

from __future__ import annotations

from hashlib import sha256

from msgspec import structs

from engine.messages.batch import Batch, cold
from engine.messages.sales.commands import Bid
from engine.messages.sales.sealed import WHOLE, BidKey, Contents, OpenBids, Payment, Sealed, Step
from engine.messages.sales.sealing import Place, seal
from engine.messages.sales.terms import SaleTerms
from tests.recorder import SECOND_NS, auction_lots, auction_sale


def sealed_sale(
    now_ns: int,
    payment: Payment = Payment.FIRST_PRICE,
    *,
    lots: int = 2,
    sale: int = 1,
    lot: dict[str, object] | None = None,
    bid_for_s: int = 600,
    keys_s: int = 300,
    without_key: str = "void_bid",
    **changes: object,
) -> SaleTerms:
    """Prices 4.00 + k x 0.10 USD/lb; account 1 sells lots of ten bags, whole or in parts of two and more."""
    mechanism = Sealed(
        payment,
        now_ns + bid_for_s * SECOND_NS,
        keys_s * SECOND_NS,
        opening=400,
        step=10,
        without_key=without_key,  # type: ignore[arg-type]
    )
    divided = {} if payment in WHOLE else {"least_bags": 2}
    terms = auction_sale(now_ns, sale, mechanism=mechanism, **changes)
    return structs.replace(terms, lots=auction_lots(lots, **divided | (lot or {})))


def key_of(account: int, nonce: int = 0) -> bytes:
    return sha256(f"key {account} {nonce}".encode()).digest()


def sealed_bid(account: int, *steps: tuple[int, int, int], lot: int = 0, sale: int = 1, nonce: int = 0) -> Batch:
    """Steps of (lot, price, bags), sealed under `key_of(account, nonce)`."""
    contents = Contents(tuple(Step(*step) for step in steps))
    offer = seal(key_of(account, nonce), Place(sale, account, lot), contents)
    return cold(Bid(sale, offer), account=account)


def keys(*told: tuple[int, bytes], sale: int = 1, account: int = 0) -> Batch:
    """(sequence of the bid, key) each; account 0 is the operator."""
    return cold(OpenBids(sale, tuple(BidKey(bid, key) for bid, key in told), by_operator=not account), account=account)
