"""An offer in a sale, out of a request: by its lot and maximum, or by the struct of the mechanism."""

from __future__ import annotations

from typing import Any, Protocol

from engine.limits import SALE_LOTS_MAX
from engine.messages.sales.commands import Offer
from engine.messages.sales.english import EnglishOffer
from engine.messages.sales.sealed import Contents, SealedOffer
from engine.messages.sales.sealing import Place
from engine.state.sales.sale import Sale
from gateway.order_terms import ticks_of
from gateway.problems import Problem
from gateway.sales.reading import Reading, read_struct, read_union
from gateway.sealed import seal_offer
from gateway.vault import Vault, VaultCorrupt


class BidTerms(Protocol):
    """Either lot and maximum, or an offer."""

    @property
    def client_bid_id(self) -> str: ...

    @property
    def lot(self) -> int | None: ...

    @property
    def maximum(self) -> str | None: ...

    @property
    def offer(self) -> dict[str, Any] | None: ...


def to_be_sealed(request: BidTerms) -> bool:
    """The steps of a sealed bid as they are: the gateway seals it before anything is written."""
    offer = request.offer
    return offer is not None and offer.get("kind") == "sealed" and "steps" in offer


async def sealed_offer(vault: Vault, account: int, sale: Sale, request: BidTerms) -> SealedOffer:
    """That bid sealed, its key durable. Under the same client id it is the same again. Raises Problem."""
    assert request.offer is not None
    given = {name: value for name, value in request.offer.items() if name not in ("kind", "lot")}
    lot = request.offer.get("lot", 0)
    if not isinstance(lot, int) or isinstance(lot, bool) or not 0 <= lot <= SALE_LOTS_MAX:
        raise Problem("invalid_field", "The number of a lot, or 0.", pointer="/offer/lot")
    contents = read_struct(Contents, given, Reading(sale.tick_size, 0), "/offer")
    place = Place(sale.sale, account, lot)
    try:
        return await seal_offer(vault, place, contents.steps, request.client_bid_id.encode())
    except ValueError as error:
        raise Problem("too_large", f"{error}.", pointer="/offer/steps") from None
    except (OSError, VaultCorrupt) as error:
        raise Problem("keys_lost", f"The key of the bid cannot be kept: {error}.") from error


def offer_of(sale: Sale, request: BidTerms) -> Offer:
    """Raises Problem for a part that is missing or does not fit."""
    if request.offer is not None:
        if request.lot is not None or request.maximum is not None:
            raise Problem("invalid_field", "An offer, or lot and maximum.", pointer="/offer")
        offer: Offer = read_union(Offer, request.offer, Reading(sale.tick_size, 0), "/offer")
        return offer
    for name in ("lot", "maximum"):
        if getattr(request, name) is None:
            raise Problem("missing_field", f"Without an offer it needs {name}.", pointer=f"/{name}")
    assert request.lot is not None and request.maximum is not None
    return EnglishOffer(request.lot, ticks_of(request.maximum, sale.tick_size, "/maximum"))
