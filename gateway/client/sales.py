"""The client's words for sales: one method for what a bidder says in each mechanism, and a sale as one state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class Offers:
    """Offers by mechanism. Prices are decimal text; the same `client_bid_id` again is answered the same way."""

    async def offer(self, sale: int, kind: str, client_bid_id: str, **fields: Any) -> dict[str, Any]:
        raise NotImplementedError

    async def bid_clock(self, sale: int, round: int, bags: Sequence[int], client_bid_id: str) -> dict[str, Any]:
        """Clock: bags of each product, in order, at the prices of a round."""
        return await self.offer(sale, "clock", client_bid_id, round=round, bags=list(bags))

    async def bid_clock_proxy(
        self, sale: int, limits: Sequence[Sequence[tuple[str, int]]], client_bid_id: str
    ) -> dict[str, Any]:
        """Clock: up to which price how many bags, (price, bags) for each product; the venue answers the rounds."""
        said = [[{"price": price, "bags": bags} for price, bags in product] for product in limits]
        return await self.offer(sale, "clock_proxy", client_bid_id, limits=said)

    async def take(self, sale: int, lot: int, price: str, client_bid_id: str, *, bags: int = 0) -> dict[str, Any]:
        """Dutch: take a lot, or bags of it (0: all that is left), at the price that was seen."""
        return await self.offer(sale, "dutch", client_bid_id, lot=lot, price=price, bags=bags)

    async def hold(self, sale: int, lot: int, client_bid_id: str, *, limit: str | None = None) -> dict[str, Any]:
        """Japanese: hold on, in secret up to a limit at which the venue lets go."""
        more = {} if limit is None else {"limit": limit}
        return await self.offer(sale, "japanese", client_bid_id, lot=lot, hold=True, **more)

    async def let_go(self, sale: int, lot: int, client_bid_id: str) -> dict[str, Any]:
        """Japanese: for good."""
        return await self.offer(sale, "japanese", client_bid_id, lot=lot, hold=False)

    async def bid_sealed(
        self, sale: int, steps: Sequence[tuple[int, str, int]], client_bid_id: str, *, lot: int = 0
    ) -> dict[str, Any]:
        """Sealed: (lot, price, bags) steps, which the gateway seals. It replaces the bid under the same `lot`."""
        said = [{"lot": number, "price": price, "bags": bags} for number, price, bags in steps]
        return await self.offer(sale, "sealed", client_bid_id, lot=lot, steps=said)

    async def bid_packages(
        self, sale: int, packages: Sequence[tuple[Sequence[tuple[int, int]], str]], client_bid_id: str, *, set: int = 1,
        **more: Any,
    ) -> dict[str, Any]:  # fmt: skip
        """Packages: of a set at most one is wanted; each is ((lot, bags) parts, price of the whole)."""
        said = [
            {"parts": [{"lot": lot, "bags": bags} for lot, bags in parts], "price": price} for parts, price in packages
        ]
        return await self.offer(sale, "packages", client_bid_id, set=set, packages=said, **more)


def merged(state: Mapping[str, Any], message: Mapping[str, Any]) -> dict[str, Any]:
    """A sale after a message of the channel `sale`: the head anew, of a partial one the lots that changed."""
    after = {name: value for name, value in message.items() if name not in _OF_CHANNEL}
    if message.get("partial"):
        changed = {lot["lot"]: lot for lot in message["lots"]}
        after["lots"] = [changed.get(lot["lot"], lot) for lot in state["lots"]]
    return after


_OF_CHANNEL = frozenset({"channel", "instrument", "type", "seq", "prev_seq", "partial", "sale"})
