"""`qhatu match`: its two forms of file, its answer, its complaints."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from fractions import Fraction

import pytest

from engine.domain.units import ticks_to_text
from gateway.auction_file import InputError
from gateway.commands.match import answer_of, matched, write_trades
from gateway.flow_file import read_flow
from tests.gateway.commands.slow_match import generated, slowly_matched

HEADER = "action,order_id,side,price,qty,type,tif,instrument,account,stp,time\n"
FNV_START, FNV_PRIME = 14695981039346656037, 1099511628211


def fnv_of(fills: list[tuple[int, int, int, int]]) -> str:
    value = FNV_START
    for fill in fills:
        for number in fill:
            value = (value ^ number % 2**64) * FNV_PRIME % 2**64
    return f"{value:016x}"


def answer(text: str, tick: Fraction | None = None) -> dict:
    flow = read_flow(text.encode(), tick)
    replay, ns = matched(flow)
    return answer_of(flow, replay, ns)


def rows(*lines: str) -> str:
    return HEADER + "".join(line + "," * (10 - line.count(",")) + "\n" for line in lines)


def test_a_small_book_by_hand(tmp_path):
    text = rows("new,7,buy,10.25,5", "new,9,sell,10.2,3", "replace,7,,10.30,7", "cancel,9", "new,9,sell,11,1",
                "new,x,sell,10.3,9", "new,-4,sell,,1,market,ioc")  # fmt: skip
    flow = read_flow(text.encode(), None)
    replay, _ = matched(flow, keep_trades=True)
    found = answer_of(flow, replay, 1.0)
    assert found["messages"] == 7 and found["accepted"] == 5
    assert found["rejects"] == {"client_id_reused": 1, "order_unknown": 1}
    assert (found["fills"], found["volume"]) == (2, 10)
    assert found["fnv"] == fnv_of([(9, 7, 1025, 3), (1, 7, 1030, 7)]), "x is the first id that is no integer"
    assert (found["resting_orders"], found["resting_qty"], found["levels"]) == (1, 2, 1)
    write_trades(tmp_path / "out.csv", flow, replay)
    with (tmp_path / "out.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [
            ["taker_id", "maker_id", "price", "qty", "instrument"],
            ["9", "7", "10.25", "3", ""],
            ["x", "7", "10.30", "7", ""],
        ]


def test_negative_prices_are_hashed_as_twos_complement():
    found = answer(rows("new,1,buy,-3,5", "new,2,sell,-4,5"))
    assert found["fnv"] == fnv_of([(2, 1, -3, 5)])


def test_instruments_do_not_meet_and_fill_or_kill_kills():
    found = answer(rows("new,1,buy,5,5,,,coffee", "new,2,sell,5,5,,,cocoa", "new,3,sell,5,6,,fok,coffee"))
    assert found["fills"] == 0 and found["resting_orders"] == 2 and found["accepted"] == 3
    assert answer(rows("new,1,buy,5,5,,,coffee", "cancel,1,,,,,,cocoa"))["rejects"] == {"instrument_mismatch": 1}


def test_accounts_own_their_orders():
    text = rows("new,1,buy,5,5,,,,ana,none", "replace,1,,6,5,,,,bob,none", "cancel,1,,,,,,,bob")
    found = answer(text)
    assert found["rejects"] == {"not_owner": 1} and found["resting_orders"] == 0, "a cancel ignores the account"


def table(header: str, *lines: str) -> str:
    """A file with only some of the columns: cells in the order of `header`, blanks at the end of a line left out."""
    names = header.split()
    needed = [name for name in ("action", "order_id", "side", "price", "qty") if name not in names]
    columns = len(names) + len(needed)
    cells = [line.split() + [""] * (columns - len(line.split())) for line in lines]
    return "\n".join(",".join("" if cell == "-" else cell for cell in row) for row in [names + needed, *cells]) + "\n"


def fills_of(text: str) -> tuple[list[tuple[str, str, str, int]], dict]:
    """(taker, maker, price, qty) of each fill, and the answer."""
    flow = read_flow(text.encode(), None)
    replay, _ = matched(flow, keep_trades=True)
    found = [
        (flow.label(taker), flow.label(maker), ticks_to_text(price, flow.tick), qty)
        for taker, maker, price, qty, _ in replay.trades().tolist()
    ]
    return found, answer_of(flow, replay, 1.0)


BASE = "action order_id side price qty"
BY_HAND = {
    # A peak that is used up comes back at the end of its level.
    "iceberg": (
        table(f"{BASE} display_qty", "new 1 sell 10 10 4", "new 2 sell 10 5", "new 3 buy 10 12"),
        [("3", "1", "10", 4), ("3", "2", "10", 5), ("3", "1", "10", 3)],
        {"resting_orders": 1, "resting_qty": 3},
    ),
    # The first trade at 100 elects the stop, which takes what is left above.
    "stop": (
        table(f"{BASE} stop_price", "new 1 sell 100 1", "new 2 buy - 2 100", "new 3 sell 101 5", "new 4 buy 100 1"),
        [("4", "1", "100", 1), ("2", "3", "101", 2)],
        {"resting_orders": 1, "resting_qty": 3, "waiting_stops": 0},
    ),
    "a stop waits": (
        table(f"{BASE} stop_price", "new 1 sell 100 1", "new 2 buy 102 2 101", "new 4 buy 100 1"),
        [("4", "1", "100", 1)],
        {"resting_orders": 0, "resting_qty": 0, "levels": 0, "waiting_stops": 1},
    ),
    "market to limit": (
        table(f"{BASE} type", "new 1 sell 10 3", "new 2 sell 11 3", "new 3 buy - 5 market_to_limit", "new 4 sell 10 2"),
        [("3", "1", "10", 3), ("4", "3", "10", 2)],
        {"resting_orders": 1, "resting_qty": 3},
    ),
    "blank is cancel_taker": (
        table(f"{BASE} account", "new 1 sell 10 5 a", "new 2 sell 10 5 b", "new 3 buy 10 8 a"),
        [],
        {"resting_orders": 2, "resting_qty": 10, "accepted": 3},
    ),
    "without an account": (
        table(f"{BASE} stp", "new 1 sell 10 5", "new 3 buy 10 8 cancel_taker"),
        [("3", "1", "10", 5)],
        {"resting_qty": 3},
    ),
    "none": (
        table(f"{BASE} account stp", "new 1 sell 10 5 a", "new 2 sell 10 5 b", "new 3 buy 10 8 a none"),
        [("3", "1", "10", 5), ("3", "2", "10", 3)],
        {"resting_orders": 1, "resting_qty": 2},
    ),
    "cancel_maker": (
        table(f"{BASE} account stp", "new 1 sell 10 5 a", "new 2 sell 10 5 b", "new 3 buy 10 8 a cancel_maker"),
        [("3", "2", "10", 5)],
        {"resting_orders": 1, "resting_qty": 3},
    ),
    "cancel_both": (
        table(f"{BASE} account stp", "new 1 sell 10 5 a", "new 2 sell 10 5 b", "new 3 buy 10 8 a cancel_both"),
        [],
        {"resting_orders": 1, "resting_qty": 5},
    ),
    "decrement": (
        table(f"{BASE} account stp", "new 1 sell 10 5 a", "new 2 sell 10 5 b", "new 3 buy 10 8 a decrement"),
        [("3", "2", "10", 3)],
        {"resting_orders": 1, "resting_qty": 2},
    ),
    "a group": (
        table(f"{BASE} account group", "new 1 sell 10 5 a g", "new 2 buy 10 5 b g", "new 3 buy 10 5 c h"),
        [("3", "1", "10", 5)],
        {"resting_orders": 0},
    ),
    "less keeps its place": (
        table(BASE, "new 1 buy 10 5", "new 2 buy 10 5", "amend 1 - - 3", "new 3 sell 10 4"),
        [("3", "1", "10", 3), ("3", "2", "10", 1)],
        {"resting_qty": 4},
    ),
    "more loses it": (
        table(BASE, "new 1 buy 10 5", "new 2 buy 10 5", "amend 1 - - 9", "new 3 sell 10 6"),
        [("3", "2", "10", 5), ("3", "1", "10", 1)],
        {"resting_qty": 8},
    ),
    "amended to what was filled": (
        table(BASE, "new 1 buy 10 5", "new 2 sell 10 2", "amend 1 - - 2", "amend 1 - - 9"),
        [("2", "1", "10", 2)],
        {"resting_orders": 0, "rejects": {"order_unknown": 1}},
    ),
    "a refused amend leaves the order": (
        table(f"{BASE} account", "new 1 buy 10 5 a", "amend 1 - - 9 b", "replace 1 - 12 9 b", "new 2 sell 9 9"),
        [("2", "1", "10", 5)],
        {"rejects": {"not_owner": 2}, "resting_qty": 4},
    ),
    "expires between rows": (
        table(f"{BASE} expire_at time", "new 1 sell 10 5 100 50", "new 2 sell 10 5 101 50", "new 3 buy 10 7 - 100"),
        [("3", "2", "10", 5)],
        {"resting_orders": 1, "resting_qty": 2},
    ),
    "expires before a row without a time of its own": (
        table(f"{BASE} expire_at time", "new 1 sell 10 5 60 50", "new 2 buy 9 1 - 60", "new 3 buy 10 7"),
        [],
        {"resting_orders": 2},
    ),
    "without times nothing expires": (
        table(f"{BASE} expire_at", "new 1 sell 10 5 60", "new 2 buy 10 5"),
        [("2", "1", "10", 5)],
        {},
    ),
    "expired before it came": (
        table(f"{BASE} tif expire_at time", "new 1 sell 10 5 gtd 50 50"), [], {"rejects": {"expiry_past": 1}},
    ),
    "minimum": (
        table(f"{BASE} min_qty", "new 1 sell 10 5", "new 2 buy 10 9 6", "new 3 buy 10 9 5"),
        [("3", "1", "10", 5)],
        {"resting_qty": 4, "accepted": 3},
    ),
    "post-only": (
        table(f"{BASE} post_only", "new 1 sell 10 5", "new 2 buy 10 5 1", "new 3 buy 10 5 slide", "new 4 sell 9 2"),
        [("4", "3", "9", 2)],
        {"rejects": {"post_only_crosses": 1}, "resting_qty": 8},
    ),
    "only for a call": (table(f"{BASE} tif", "new 1 sell 10 5 at_auction"), [], {"rejects": {"tif_needs_call": 1}}),
    "what does not go together": (
        table(f"{BASE} type tif display_qty", "new 1 buy 10 5 limit - 2", "new 2 buy - 5 stop ioc"),
        [],
        {"rejects": {"terms_conflict": 2}},
    ),
    "an unknown order": (
        table(f"{BASE} min_qty", "replace 9 buy 10 5 1", "amend 9 - - 5", "cancel 9"),
        [],
        {"rejects": {"order_unknown": 3}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BY_HAND)
def test_by_hand(name):
    text, fills, said = BY_HAND[name]
    found, told = fills_of(text)
    assert found == fills
    assert {key: told[key] for key in said} == said


@pytest.mark.parametrize("seed", range(12))
def test_a_generated_file_gives_what_the_oracle_gives_row_by_row(seed):
    text = generated(seed, 400)
    wanted, found = slowly_matched(text, 2), answer(text)
    assert wanted["fills"] > 20 and len(wanted["rejects"]) > 5
    assert {name: found[name] for name in wanted} == wanted


COMPLAINTS = [
    ("new,1,buy,10.2x,5", "line 2: price"),
    ("new,1,buy,,5", "line 2: price"),
    ("new,1,buy,NaN,5", "line 2: price"),
    ("new,1,hold,1,5", "line 2: side"),
    ("new,1,,1,5", "line 2: side"),
    ("new,1,buy,1,0", "line 2: qty"),
    ("new,1,buy,1,1000000000001", "line 2: qty"),
    ("new,1,buy,1,1.5", "line 2: qty"),
    ("new,,buy,1,5", "line 2: order_id"),
    ("modify,1,buy,1,5", "line 2: action"),
    ("new,1,buy,1,5,peg", "line 2: type"),
    ("new,1,buy,1,5,market", "line 2: price: a market order has none"),
    ("new,1,buy,1,5,stop", "line 2: price: a stop order has none"),
    ("replace,1,buy,,5", "line 2: price"),
    ("new,1,buy,1,5,,gtx", "line 2: tif"),
    ("new,1,buy,1,5,,,,ana,always", "line 2: stp"),
    ("amend,1,,,-1", "line 2: qty"),
    ("new,1,buy,1,5,,,,,,x", "line 2: time"),
    ("new,1,buy,2000000000,5", "line 2: price"),
]


@pytest.mark.parametrize("line, field", COMPLAINTS)
def test_bad_input_is_refused_by_line_and_field(line, field):
    with pytest.raises(InputError, match=field):
        read_flow(rows(line).encode(), None)


@pytest.mark.parametrize(
    "raw, what",
    [
        (b"", "line 1: column action is missing"),
        (b"action,order_id,side,price,qty,colour\n", "line 1: there is no column 'colour'"),
        (b"action,order_id,side,price,qty,qty\n", "line 1: column qty stands twice"),
        (b"action,order_id,side,price,qty\nnew,1\n", "line 2: 2 fields"),
        (b"action,order_id,side,price,qty\nnew,1,buy,1,\xff\n", "line 2: not UTF-8"),
        (b"action,order_id,side,price,qty,min_qty\nnew,1,buy,1,5,-2\n", "line 2: min_qty"),
        (b"action,order_id,side,price,qty,display_qty\nnew,1,buy,1,5,1.5\n", "line 2: display_qty"),
        (b"action,order_id,side,price,qty,stop_price\nnew,1,buy,1,5,x\n", "line 2: stop_price"),
        (b"action,order_id,side,price,qty,expire_at\nnew,1,buy,1,5,soon\n", "line 2: expire_at"),
        (b"action,order_id,side,price,qty,post_only\nnew,1,buy,1,5,maybe\n", "line 2: post_only"),
        (b"action,order_id,side,price,qty,group\nnew,1,buy,1,5,g\n", "line 2: group"),
        (b"action,order_id,side,price,qty,account,group\nnew,1,buy,1,5,a,g\nnew,2,buy,1,5,a,h\n", "line 3: group"),
        (b"OBW1", "header"),
        (b"OBW1" + bytes(20), "header"),
        (b"OBW1" + b"\1\0\0\0" + b"\0\0\0\0" + b"\1\0\0\0" + b"\1\0\0\0" + bytes(4) + bytes(16), "record 0: type"),
    ],
)
def test_bad_files(raw, what):
    with pytest.raises(InputError, match=what):
        read_flow(raw, None)


def test_a_price_off_the_given_tick_and_a_time_that_falls():
    with pytest.raises(InputError, match="line 2: price"):
        read_flow(rows("new,1,buy,10.25,5").encode(), Fraction(1, 10))
    with pytest.raises(InputError, match="line 3: time"):
        read_flow(rows("new,1,buy,1,5,,,,,,9", "new,2,buy,1,5,,,,,,8").encode(), None)


def test_the_command_line(tmp_path):
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_text(rows("new,1,buy,10,5", "new,2,sell,9,2"))
    bad.write_text(rows("new,1,buy,ten,5"))
    qhatu = [sys.executable, "-m", "gateway.cli", "match"]
    done = subprocess.run([*qhatu, str(good), "--json"], capture_output=True, text=True)
    assert done.returncode == 0 and json.loads(done.stdout)["fills"] == 1
    done = subprocess.run([*qhatu, str(bad), "--json"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "") and "line 2: price" in done.stderr
    assert subprocess.run([*qhatu, "--colour"], capture_output=True).returncode == 2
