"""What a worker is given: a frozen problem, and how far its answer is known. Secret: it names everyone's bids."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from engine.markets.sales.packages import market_of, problem_of, terms_of
from engine.markets.sales.winners import Problem
from engine.state.sales.packages import PackageBid
from engine.state.sales.sale import Sale


class Known(Struct, array_like=True):
    """As far as the venue is: the best allocation of a problem, and whether it is proved that none is worth more."""

    chosen: tuple[int, ...]
    proved: bool


class Task(Struct, array_like=True):
    sale: int
    digest: bytes
    payment: str  # as_bid, vcg
    supply: tuple[int, ...]
    bids: tuple[PackageBid, ...]
    known: dict[int, Known]  # by the account that is left out; 0: none is

    def problem(self) -> Problem:
        return Problem(self.supply, self.bids)


def task_of(sale: Sale) -> Task:
    """`sale` is by package bids, its problem frozen."""
    market, problem = market_of(sale), problem_of(sale)
    known = {account: Known(proof.chosen, proof.proved) for account, proof in market.proofs.items()}
    return Task(sale.sale, market.digest, terms_of(sale).payment, problem.supply, problem.bids, known)


def encode(task: Task) -> bytes:
    return msgspec.msgpack.encode(task)


def decode(raw: bytes) -> Task:
    """Raises msgspec.DecodeError."""
    return msgspec.msgpack.decode(raw, type=Task)
