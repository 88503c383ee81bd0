"""Sealed bids at the gateway: it seals for bidders who do not seal by themselves, and opens for the operator.

A bid whose key the gateway keeps is secret from other members, from the log's readers and from backups without
`sealed.keys`; not from who runs the machine. A bidder who seals by itself (`gateway/client/sealing.py`) gives the key
out after the closing time: until then nobody can read its bid, and anyone who holds the log can check that.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from engine.limits import SEALED_KEYS_PER_COMMAND_MAX
from engine.messages.sales.sealed import BidKey, Contents, OpenBids, SealedOffer, Step
from engine.messages.sales.sealing import Place, seal
from engine.state.sales.sale import Sale
from engine.state.sales.sealed import SealedState
from gateway.vault import Vault


async def seal_offer(vault: Vault, place: Place, steps: Iterable[Step], request: bytes) -> SealedOffer:
    """The bid, its key durable. `request` tells it from others with the same content: the client's id for it, or
    chance. Raises ValueError when it is too long, OSError and VaultCorrupt of the vault."""
    contents = Contents(tuple(steps))
    key = await vault.key_for(msgspec.msgpack.encode([place, contents, request]))
    offer = seal(key, place, contents)
    await vault.keep(offer.commitment, key)
    return offer


async def opening(vault: Vault, sale: Sale) -> list[OpenBids]:
    """The commands that open the bids whose keys the gateway has, in parts; for a sale whose bids are closed, and no
    other: until then no key leaves the vault. Raises OSError and VaultCorrupt."""
    market = sale.market
    assert isinstance(market, SealedState) and market.closed, "no key is read before the closing time"
    waiting = [one for _, one in sorted(market.bids.items()) if one.steps is None and not one.void]
    keys = [(one.seq, await vault.find(one.commitment)) for one in waiting]
    found = [BidKey(seq, key) for seq, key in keys if key is not None]
    return [
        OpenBids(sale.sale, tuple(found[at : at + SEALED_KEYS_PER_COMMAND_MAX]), by_operator=True)
        for at in range(0, len(found), SEALED_KEYS_PER_COMMAND_MAX)
    ]
