"""`qhatu match`: its two forms of file, its answer, its complaints."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from fractions import Fraction

import pytest

from gateway.auction_file import InputError
from gateway.commands.match import answer_of, matched, write_trades
from gateway.flow_file import read_flow

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
