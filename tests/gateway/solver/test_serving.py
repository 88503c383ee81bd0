"""Package sales proved through the log by a worker process: as it should go, killed, lying, missing, and too late."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from bench.package_problems import problem_of
from engine.codes import EventKind, Reason, SaleStage
from engine.limits import PROPOSAL_LINE_BYTES_MAX
from engine.markets.sales.winners import Problem, value_of
from engine.messages.batch import cold
from engine.messages.bodies import Bid
from engine.messages.sales.commands import EndSale
from engine.messages.sales.packages import Leaf, Package, Packages, PackagesOffer, Part, Propose
from engine.messages.sales.terms import SaleLot, SaleTerms, Stages, Unit
from engine.state.sales.packages import PackagesState
from engine.state.sales.sale import Sale
from gateway.replaying import rebuild
from gateway.solver import serving
from gateway.solver.solve import solve
from gateway.solver.task import task_of
from tests.gateway.running import House, running

SECOND_NS = 10**9
SECONDS_MAX = 120.0
KG = 60_000


async def frozen(house: House, sale: int, problem: Problem, **terms: Any) -> Sale:
    """A package sale of this problem, its bidders by turns, closed."""
    now_ns = house.venue.env.now_ns()
    terms = {"opening": 1, "closes_ns": now_ns + 60 * SECOND_NS, "until_ns": now_ns + 3_660 * SECOND_NS} | terms
    lots = tuple(SaleLot(1, f"lot {n}", bags, KG) for n, bags in enumerate(problem.supply, 1))
    plan = SaleTerms(sale, 1, "containers", Unit("0.01", "USD/kg", "USD", 1, 1_000), Stages(), lots, Packages(**terms))
    assert EventKind.REJECTED not in await done(house, plan)
    for group in sorted({bid.group for bid in problem.bids}):
        packages = tuple(
            Package(tuple(Part(lot + 1, bags) for lot, bags in bid.uses), bid.price)
            for bid in problem.bids
            if bid.group == group
        )
        offer = PackagesOffer(group // 2 + 1, packages)
        assert await done(house, Bid(sale, offer), account=2 + group % 2) == [EventKind.BID_ACCEPTED]
    assert EventKind.PROBLEM_FROZEN in await done(house, EndSale(sale, "all are here"))
    return house.machine.venue.sales[sale]


async def done(house: House, body: Any, account: int = 1) -> list[EventKind]:
    outcome = await house.venue.front.outcome(cold(body, account=account))
    return [EventKind(kind) for kind in outcome.events["kind"].tolist()]


async def until(holds: Callable[[], object], why: str) -> None:
    for _ in range(int(SECONDS_MAX / 0.02)):
        if holds():
            return
        await asyncio.sleep(0.02)
    raise AssertionError(why)


def market_of(sale: Sale) -> PackagesState:
    assert isinstance(sale.market, PackagesState)
    return sale.market


def proved(sale: Sale) -> Callable[[], bool]:
    return lambda: sale.stage == SaleStage.FINISHED and market_of(sale).outcome == "proved"


def stub(tmp_path: Path, text: str) -> list[str]:
    """A worker that is no solver."""
    path = tmp_path / "stub.py"
    path.write_text(text)
    return [sys.executable, str(path)]


def sleeping(tmp_path: Path) -> list[str]:
    return stub(tmp_path, "import sys, time\nsys.stdin.buffer.read()\ntime.sleep(600)\n")


async def test_a_sale_is_proved_by_the_worker_through_the_log_while_orders_are_answered(tmp_path: Path) -> None:
    problem = problem_of("containers", 20, 60, seed=1)
    async with running(tmp_path) as house:
        sale = await frozen(house, 1, problem)
        answered = 0
        while not proved(sale)():
            status, _ = await house.order()
            answered += status == 201
            assert answered < 20_000
        assert answered and market_of(sale).proofs[0].by.startswith("HiGHS") and market_of(sale).proposals > 1
        assert value_of(problem, sorted(market_of(sale).proofs[0].chosen)) is not None
        state = house.machine.state_hash()
    assert rebuild(tmp_path, whole=True).machine.state_hash() == state


async def test_payments_are_proved_too_and_the_next_sale_has_its_turn(tmp_path: Path) -> None:
    async with running(tmp_path) as house:
        sales = [await frozen(house, n, problem_of("regions", 20, 60, n), payment="vcg") for n in (1, 2)]
        for sale in sales:
            await until(proved(sale), f"sale {sale.sale} was not proved")
        await until(lambda: house.venue.solving.worker is None, "the worker goes on")


async def test_a_worker_that_is_killed_is_started_again(tmp_path: Path) -> None:
    async with running(tmp_path) as house:
        solving = house.venue.solving
        right, solving.command = solving.command, sleeping(tmp_path)
        sale = await frozen(house, 1, problem_of("containers", 20, 60, seed=2))
        await until(lambda: solving.worker is not None, "no worker")
        assert solving.worker is not None
        first = solving.worker.pid
        solving.command = right
        os.kill(first, signal.SIGKILL)
        await until(proved(sale), "not proved after the worker was killed")


async def test_the_real_worker_killed_in_the_middle_of_its_word(tmp_path: Path) -> None:
    """Each of the first three is killed once something of it was taken."""
    async with running(tmp_path) as house:
        sale = await frozen(house, 1, problem_of("containers", 20, 60, seed=1))
        killed = 0
        while not proved(sale)() and killed < 3:
            await until(lambda: house.venue.solving.worker is not None or proved(sale)(), "no worker")
            worker, before = house.venue.solving.worker, market_of(sale).proposals
            await until(lambda before=before: market_of(sale).proposals > before, "nothing was proposed")  # type: ignore[misc]
            if worker is not None and worker.returncode is None and not proved(sale)():
                worker.kill()
                killed += 1
        await until(proved(sale), "not proved after three were killed")


async def test_a_venue_that_is_started_again_goes_on(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with running(data) as house:
        house.venue.solving.command = sleeping(tmp_path)
        await frozen(house, 1, problem_of("containers", 20, 60, seed=1))
    async with running(data) as house:
        await until(proved(house.machine.venue.sales[1]), "not proved after the start")


async def test_a_lying_worker_is_refused_with_reasons_and_harms_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "BACKOFF_SECONDS", (0.01, 0.01))
    async with running(tmp_path / "data") as house:
        solving = house.venue.solving
        solving.command = sleeping(tmp_path)
        sale = await frozen(house, 1, problem_of("containers", 20, 60, seed=1))
        await until(lambda: solving.worker is not None, "no worker")
        digest, lots = market_of(sale).digest, len(sale.terms.lots)
        lies = [
            (Propose(1, bytes(16), 0, ()), Reason.PROBLEM_OTHER),
            (Propose(99, digest, 0, ()), Reason.SALE_UNKNOWN),
            (Propose(1, digest, 0, tuple(range(60))), Reason.PROPOSAL_INFEASIBLE),
            (Propose(1, digest, 0, (5, 4)), Reason.PROPOSAL_INFEASIBLE),
            (Propose(1, digest, 0, (), leaves=(Leaf((), (0,) * lots),)), Reason.PROOF_FAILS),
        ]
        lines = [msgspec.json.encode(body) + b"\n" for body, _ in lies]
        lines += [b"what?\n", b"[]\n", b"{}\n", b"[1, 2", b"\n", b"x" * (PROPOSAL_LINE_BYTES_MAX + 1)]
        before, seq = repr(market_of(sale)), house.machine.seq
        refused: list[Reason] = []
        tell = house.venue.sequencer.on_record

        def on_record(record: Any, events: np.ndarray) -> None:
            refused.extend(Reason(int(event["reason"])) for event in events if event["kind"] == EventKind.REJECTED)
            tell(record, events)

        house.venue.sequencer.on_record = on_record
        said = b"".join(lines)
        text = f"import sys\nsys.stdin.buffer.read()\nsys.stdout.buffer.write({said!r})\n"
        solving.command = stub(tmp_path, text)
        assert solving.worker is not None
        solving.worker.kill()
        await until(lambda: not solving._waiting, "the liar was not given up")
        assert solving._failures == {1: 2}, "tried again twice, then no more"
        assert refused == [reason for _, reason in lies] * 2 and house.machine.seq >= seq + 2 * len(lies)
        assert repr(market_of(sale)) == before
        assert (await house.order())[0] == 201
        for body in solve(task_of(sale)):  # the truth is still taken
            assert (await done(house, body))[0] == EventKind.PROPOSAL_TAKEN
        assert proved(sale)()


async def test_one_that_goes_on_saying_what_is_wrong_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "BACKOFF_SECONDS", ())
    async with running(tmp_path / "data") as house:
        text = "import sys, time\nsys.stdin.buffer.read()\nwhile True:\n    print('[]', flush=True)\n"
        house.venue.solving.command = stub(tmp_path, text)
        sale = await frozen(house, 1, problem_of("containers", 20, 60, seed=1))
        await until(lambda: not house.venue.solving._waiting, "it was not ended")
        assert house.venue.solving.worker is None and sale.stage == SaleStage.LIVE


@pytest.mark.parametrize("fallback", ["best", "void"])
async def test_what_is_not_proved_in_time_falls_back_as_declared(tmp_path: Path, fallback: str) -> None:
    """The worker is ended when the sale is over."""
    async with running(tmp_path / "data") as house:
        house.venue.solving.command = sleeping(tmp_path)
        sale = await frozen(house, 1, problem_of("containers", 20, 60, seed=1), fallback=fallback)
        await until(lambda: house.venue.solving.worker is not None, "no worker")
        assert EventKind.SALE_FINISHED in await done(house, EndSale(1, "enough"))
        assert market_of(sale).outcome == fallback
        await until(lambda: house.venue.solving.worker is None, "the worker goes on")


async def test_without_highspy_the_venue_starts_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(serving, "MODULE", "highspy_that_is_not_there")
    async with running(tmp_path / "data") as house:
        sale = await frozen(house, 1, problem_of("containers", 20, 60, seed=1))
        await until(lambda: not house.venue.solving._waiting, "it was not given up")
        assert sale.stage == SaleStage.LIVE and (await house.order())[0] == 201
    said = "".join(capfd.readouterr())
    assert "package sales are not solved here: highspy is not installed" in said and "package sale not solved" in said
