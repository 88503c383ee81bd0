"""`qhatu practice` as a real process: a sale that a person bids in, then one on the lots of that season."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from engine import limits
from engine.codes import SaleStage
from engine.machine import Machine
from engine.messages.sales.commands import EndSale
from engine.oracle.books import Books
from gateway.practice.lots import SCORE_UNKNOWN, NoLots, lots_of, of_venue
from gateway.practice.rivals import Plan
from gateway.practice.venue import MARK, PERSON, NotPractice, opened
from gateway.rest.sale_schemas import SaleRequest
from tests.recorder import Recorder, auction_sale, bid_of, open_venue

NOW_NS = 1_780_000_000 * 10**9
SECONDS = 60


class Practised:
    """One run of the command."""

    def __init__(self, data: Path, *options: str) -> None:
        command = [sys.executable, "-m", "gateway.cli", "practice", *options, "--data", str(data), "--port", "0"]
        self.errors = (data.parent / "errors.log").open("a+")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.errors, text=True)
        assert self.process.stdout is not None
        self.said = self._until("Ctrl-C stops")
        found = re.search(r"Bid +(http://[^/]+)/#key=(\S+)", self.said)
        assert found is not None, self.said + Path(self.errors.name).read_text()
        self.url, self.key = found[1], found[2]

    def _until(self, words: str) -> str:
        assert self.process.stdout is not None
        lines: list[str] = []
        for line in self.process.stdout:
            lines.append(line)
            if words in line:
                break
        return "".join(lines)

    def hear(self, words: str) -> str:
        return self._until(words)

    def ask(self, path: str, body: Any = None) -> dict[str, Any]:
        raw = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(self.url + path, raw, headers), timeout=10) as answer:
            return json.load(answer)

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)


def test_a_person_bids_against_rivals_and_wins(tmp_path: Path) -> None:
    data = tmp_path / "practice"
    options = ("--speed", "20", "--lots", "3", "--rivals", "4", "--seed", "7")
    run = Practised(data, "demo", *options)
    try:
        deadline = time.monotonic() + SECONDS
        while not (sales := run.ask("/v1/sales")["sales"]) and time.monotonic() < deadline:
            time.sleep(0.1)
        (sale,) = sales
        assert [lot["title"] for lot in sale["lots"]] == [lot.title for lot in lots_of("demo", 1, 3, NOW_NS)[1]]
        run.ask("/v1/sales/1/bids", {"lot": 2, "maximum": "900.00", "client_bid_id": "mine"})
        said = run.hear("You won")
        assert "Sale 1 is over" in said and "You won 1 lots" in said
        after = run.ask("/v1/sales/1")
        assert after["state"] == "finished" and after["lots"][1]["you_won"]
        assert sum(lot["bids"] for lot in after["lots"]) > 3, "the rivals have bid"
    finally:
        assert run.end() == 0
    with pytest.raises(NoLots, match="no finished sale 9; there are 1"):
        lots_of(str(data), 9, 3, NOW_NS)
    title, lots = lots_of(str(data), 0, 2, NOW_NS)
    assert title.startswith("Practice: Practice on") and [lot.score > 85 for lot in lots] == [True, True]

    again = Practised(tmp_path / "second", str(data), "--speed", "100", "--lots", "2", "--rivals", "3")
    try:
        assert "Sale 1 is over: 2 of 2" in again.hear("is over")
        assert [lot["title"] for lot in again.ask("/v1/sales/1")["lots"]] == [lot.title for lot in lots]
    finally:
        assert again.end() == 0


def test_a_directory_of_another_venue_is_refused_and_left_alone(tmp_path: Path) -> None:
    live, other = tmp_path / "live", tmp_path / "other"
    (live / "log").mkdir(parents=True)
    other.mkdir()
    (other / "letter.txt").write_text("keep")
    for folder, words in ((live, "a venue that is not for practice"), (other, "other files")):
        before = sorted(folder.rglob("*"))
        command = [sys.executable, "-m", "gateway.cli", "practice", "--data", str(folder), "--port", "0"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
        assert done.returncode == 1 and words in done.stderr and done.stdout == ""
        assert sorted(folder.rglob("*")) == before


def test_a_practice_venue_keeps_its_keys_to_its_owner(tmp_path: Path) -> None:
    first = opened(tmp_path / "p", 3)
    assert opened(tmp_path / "p", 9) == first and first.rivals == [100, 101, 102]
    assert os.stat(tmp_path / "p" / "practice.keys").st_mode & 0o777 == 0o600
    assert first.tokens[PERSON] not in (tmp_path / "p" / MARK).read_text("utf-8")
    (tmp_path / "p" / MARK).unlink()
    with pytest.raises(NotPractice):
        opened(tmp_path / "p", 3)


def test_the_lots_of_a_file_are_its_best_ones() -> None:
    title, first = lots_of("demo", 1, 10, NOW_NS)
    _, second = lots_of("demo", 2, 10, NOW_NS)
    scores = [lot.score for lot in first + second]
    assert scores == sorted(scores, reverse=True) and scores[0] > 90 and title.endswith("sale 1")
    with pytest.raises(NoLots, match="no sale 800"):
        lots_of("demo", 800, 10, NOW_NS)
    with pytest.raises(NoLots, match="neither"):
        lots_of("nowhere", 1, 10, NOW_NS)


def test_nothing_secret_comes_along() -> None:
    recorder = Recorder(Machine(Books()))
    open_venue(recorder)
    recorder.do(auction_sale(recorder.ts_ns, plan=(_reserved(),)))
    recorder.do(bid_of(2, 1, 987_650))
    with pytest.raises(NoLots, match="there are none"):
        of_venue(recorder.machine.venue, 1, 5)
    recorder.do(EndSale(1))
    venue = recorder.machine.venue
    assert venue.sales[1].stage == SaleStage.FINISHED
    title, lots = of_venue(venue, 0, 5)
    assert lots[0].score == SCORE_UNKNOWN
    plan = Plan(title, lots, 1, 10.0)
    assert Plan.read(plan.written()) == plan
    assert not any(secret in plan.written() for secret in ("123450", "987650"))


def test_the_plan_is_a_request_that_the_venue_takes() -> None:
    import msgspec

    request = Plan(*lots_of("demo", 1, 12, NOW_NS), 1, 100.0).request(1)
    asked = msgspec.convert(request, SaleRequest)
    assert asked.clock_seconds == 2 and len(asked.lots) == 12 <= limits.SALE_LOTS_MAX


def _reserved() -> Any:
    from engine.messages.sales.terms import SaleLot

    return SaleLot(1, "with a secret", 10, 30_000, {"score": "none"}, reserve=123_450)
