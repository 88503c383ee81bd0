"""`qhatu clear` as another program uses it: arguments in, one JSON object or one line on stderr out."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.limits import CLEAR_ORDERS_MAX, PRICE_TICKS_MAX, QTY_LOTS_MAX
from gateway import cli
from gateway.auction_file import InputError, read_auction_file
from tests.auctions import VECTORS, conformance_vectors

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Call the real command line with a file of this content; returns (exit code, stdout, stderr)."""

    def call(content: object, *options: str) -> tuple[int, str, str]:
        path = tmp_path / "call.json"
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        monkeypatch.setattr(sys, "argv", ["qhatu", "clear", str(path), *options])
        with pytest.raises(SystemExit) as left:
            cli.main()
        captured = capsys.readouterr()
        return int(left.value.code or 0), captured.out, captured.err

    return call


def limit(name: str, side: str, price: object, qty: object = 5, **more: object) -> dict[str, object]:
    return {"id": name, "side": side, "type": "limit", "price": price, "qty": qty, **more}


def market(name: str, side: str, qty: object = 5, **more: object) -> dict[str, object]:
    return {"id": name, "side": side, "type": "market", "qty": qty, **more}


CROSSED = {"orders": [limit("b", "buy", "8"), limit("s", "sell", "4")]}


def check(answer: dict[str, Any], expected: dict[str, Any], rules: str) -> None:
    price = expected["price"]
    assert (answer["price"] is None) == (price is None)
    if price is not None:
        assert Decimal(answer["price"]) == Decimal(str(price))
    assert answer["volume"] == expected.get("volume", expected.get("volume_computed_here"))
    assert answer["surplus_buy_minus_sell"] == expected.get("surplus_buy_minus_sell", answer["surplus_buy_minus_sell"])
    assert answer["filled_qty_by_order"].items() >= expected.get("filled_qty_by_order", {}).items()
    assert answer["trades"] == expected.get("trades", answer["trades"])
    for name, left in expected.get("remaining", {}).items():
        ours = answer["remaining"][name]
        assert ours["qty"] == (left["qty"] if isinstance(left, dict) else left)
        assert not isinstance(left, dict) or Decimal(ours["limit"]) == Decimal(str(left["limit"]))
    assert answer["rules"] == rules


@pytest.mark.parametrize("vector", conformance_vectors(), ids=lambda vector: str(vector["id"]))
def test_worked_examples(run, vector):
    code, out, err = run(vector, "--json")
    assert (code, err) == (0, "")
    check(json.loads(out), vector["expected"], vector["rule_set"])
    code, out, err = run(vector["input"], "--json", "--rules", vector["rule_set"])
    assert (code, err) == (0, "")
    check(json.loads(out), vector["expected"], vector["rule_set"])


def test_every_conformance_vector_is_of_a_known_rule_set():
    document = json.loads(VECTORS.read_text(encoding="utf-8"))
    calls = [vector for vector in document["vectors"] if vector["kind"] == "call_auction"]
    assert len(conformance_vectors()) == sum(vector["conformance"] for vector in calls) >= 48


def test_the_answer_has_every_order_and_counts_as_numbers(run):
    orders = [limit("b", "buy", "8.50", 7), limit("s", "sell", "4"), limit("far", "sell", "99")]
    code, out, _ = run({"orders": orders, "reference_price": "6"}, "--json")
    assert code == 0
    assert json.loads(out) == {
        "price": "8.5",
        "volume": 5,
        "surplus_buy_minus_sell": 2,
        "filled_qty_by_order": {"b": 5, "s": 5, "far": 0},
        "trades": [["b", "s", 5]],
        "remaining": {"b": {"qty": 2, "limit": "8.5"}, "far": {"qty": 5, "limit": "99"}},
        "rules": "harvest",
    }


def test_nothing_crosses_is_an_answer(run):
    code, out, err = run({"orders": [limit("b", "buy", 4), limit("s", "sell", 8)]}, "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) | {"rules": 0} == {
        "price": None,
        "volume": 0,
        "surplus_buy_minus_sell": 0,
        "filled_qty_by_order": {"b": 0, "s": 0},
        "trades": [],
        "remaining": {"b": {"qty": 5, "limit": "4"}, "s": {"qty": 5, "limit": "8"}},
        "rules": 0,
    }


def test_the_rule_set_named_last_counts(run):
    vector = {"rule_set": "pay_as_clear_marginal_supply", "input": CROSSED}
    assert json.loads(run(vector, "--json")[1])["price"] == "4"
    assert json.loads(run(vector, "--json", "--rules", "max_volume_highest_price")[1])["price"] == "8"
    assert json.loads(run(CROSSED, "--json")[1])["rules"] == "harvest"


@pytest.mark.parametrize(
    ("prices", "reference", "options", "price"),
    [
        (("8", "4"), None, [], "6"),
        (("7", "4"), None, [], "5"),  # half a tick down
        (("7.0", "4.00"), None, [], "5"),  # trailing zeros are no decimals
        (("7.0", "4.00"), None, ["--tick", "0.5"], "5.5"),
        ((7.5, 4), None, [], "5.7"),  # 5.75 on a tick of 0.1
        (("7", "4"), "5.25", [], "5.25"),  # the reference's decimals count
        (("7", "4"), "5.5", ["--tick", "1"], "5"),  # off the tick: nearest, half down
        (("7", "4"), "5.51", ["--tick", "1"], "6"),
        (("-4", "-7"), "-5.5", ["--tick", "1"], "-6"),
        (("7e0", "4E+0"), None, [], "5"),
    ],
)
def test_ticks_and_rounding(run, prices, reference, options, price):
    call = {"orders": [limit("b", "buy", prices[0]), limit("s", "sell", prices[1])], "reference_price": reference}
    code, out, err = run(call, "--json", *options)
    assert (code, err) == (0, "")
    assert json.loads(out)["price"] == price


def test_a_tick_in_the_input(run):
    assert json.loads(run(CROSSED | {"tick": "4"}, "--json")[1])["price"] == "4"


def test_seq_decides_arrival_and_its_absence_the_file(run):
    late = [limit("late", "buy", 8, seq=9), limit("early", "buy", 8, seq=-1), limit("s", "sell", 8)]
    assert json.loads(run({"orders": late}, "--json")[1])["filled_qty_by_order"] == {"late": 0, "early": 5, "s": 5}
    plain = [limit("late", "buy", 8), limit("early", "buy", 8), limit("s", "sell", 8)]
    assert json.loads(run({"orders": plain}, "--json")[1])["filled_qty_by_order"] == {"late": 5, "early": 0, "s": 5}


def test_time_blocks_count_for_the_rules_that_share_by_them(run):
    orders = [limit(name, "buy", 8, 9, time=time) for name, time in (("c", 2), ("d", 2), ("a", 1))]
    call = {"orders": [*orders, limit("s", "sell", 8, 14, time=1)]}
    shared = json.loads(run(call, "--json", "--rules", "bnb_four_step_5pct")[1])
    assert shared["filled_qty_by_order"] == {"c": 3, "d": 2, "a": 9, "s": 14}
    assert json.loads(run(call, "--json")[1])["filled_qty_by_order"] == {"c": 9, "d": 5, "a": 0, "s": 14}


def test_what_is_left_of_a_market_to_limit_order_has_the_auction_price_for_its_limit(run):
    to_limit = {"id": "m", "side": "buy", "type": "market_to_limit", "qty": 9}
    call = {"orders": [to_limit, market("u", "buy", 3), limit("s", "sell", "4.5")], "reference_price": "5"}
    answer = json.loads(run(call, "--json", "--rules", "euronext_utp")[1])
    assert (answer["price"], answer["filled_qty_by_order"]) == ("5.0", {"m": 5, "u": 0, "s": 5})
    assert answer["remaining"] == {"m": {"qty": 4, "limit": "5.0"}, "u": {"qty": 3, "limit": None}}
    alone = json.loads(run({"orders": [to_limit]}, "--json")[1])
    assert alone["remaining"] == {"m": {"qty": 9, "limit": None}}, "without a price it waits as it is"


def test_iex_values_unpriced_orders_at_its_collar(run):
    """10 % of 10.00 is more than 0.50: 9.00 to 11.00. Unpriced buying up to 11.00 finds nothing at 12.00."""
    call = {"orders": [market("b", "buy"), limit("s", "sell", "12.00")], "reference_price": "10.00", "tick": "0.01"}
    assert json.loads(run(call, "--json", "--rules", "iex")[1])["price"] is None
    call["orders"].append(limit("t", "sell", "10.90"))
    assert json.loads(run(call, "--json", "--rules", "iex")[1])["price"] == "10.90"


def test_nbbo_is_the_reference_of_iex_alone(run):
    call = CROSSED | {"nbbo": {"nbb": "5.00", "nbo": 5.5}, "reference_price": 7}
    assert json.loads(run(call, "--json", "--rules", "iex")[1])["price"] == "5.2"
    assert json.loads(run(call, "--json")[1])["price"] == "7"


def test_a_table_for_people(run):
    code, out, err = run(CROSSED | {"reference_price": 6})
    assert (code, err) == (0, "")
    assert "Price 6, volume 5, surplus +0" in out and "Orders" in out and "Trades" in out
    assert "No price" in run({"orders": []})[1]


BAD = [
    (b"", "line 1"),
    (b'{"orders": [\n{"id": 1,}\n]}', "line 2"),
    (b'{"orders": [\xff]}', "line 1: not UTF-8"),
    (b'\xef\xbb\xbf{"orders": []}', "line 1"),
    (b"[" * 100_000, "nested too deeply"),
    (b'{"orders": [], "orders": []}', '"orders" stands twice'),
    (b'{"orders": [], "note": NaN}', "NaN"),
    ([], "file"),
    ({}, "orders"),
    ({"input": []}, "input"),
    ({"input": CROSSED, "rule_set": 7}, "rule_set"),
    ({"input": CROSSED, "rule_set": "motoko_marginal"}, "rule_set"),
    ({"orders": [7]}, "orders[0]"),
    ({"orders": [limit("a", "buy", 8), limit("a", "sell", 8)]}, "orders[1].id"),
    ({"orders": [limit("", "buy", 8)]}, "orders[0].id"),
    ({"orders": [limit(None, "buy", 8)]}, "orders[0].id"),
    ({"orders": [limit(True, "buy", 8)]}, "orders[0].id"),
    ({"orders": [limit("\ud800", "buy", 8)]}, "orders[0].id"),
    ({"orders": [limit("a", "long", 8)]}, "orders[0].side"),
    ({"orders": [limit("a", "buy", 8) | {"type": "stop"}]}, "orders[0].type"),
    ({"orders": [limit("a", "buy", None)]}, "orders[0].price"),
    ({"orders": [market("a", "buy") | {"price": 8}]}, "orders[0].price"),
    ({"orders": [limit("a", "buy", "NaN")]}, "orders[0].price"),
    ({"orders": [limit("a", "buy", float("nan"))]}, "orders[0].price"),
    ({"orders": [limit("a", "buy", float("inf"))]}, "orders[0].price"),
    (b'{"orders": [{"id": "a", "side": "buy", "type": "limit", "qty": 1, "price": 1e400}]}', "orders[0].price"),
    (b'{"orders": [{"id": "a", "side": "buy", "type": "limit", "qty": 1, "price": 1e-99999}]}', "orders[0].price"),
    ({"orders": [limit("a", "buy", "９")]}, "orders[0].price"),
    ({"orders": [limit("a", "buy", "1_000")]}, "orders[0].price"),
    ({"orders": [limit("a", "buy", " 8")]}, "orders[0].price"),
    ({"orders": [limit("a", "buy", "+8")]}, "orders[0].price"),
    ({"orders": [limit("a", "buy", "0.0000000000001")]}, "orders[0].price"),
    ({"orders": [limit("a", "buy", str(PRICE_TICKS_MAX + 1))]}, "orders[0].price"),
    ({"orders": [limit("a", "buy", "8.5")], "tick": 1}, "orders[0].price"),
    ({"orders": [limit("a", "buy", 8, 0)]}, "orders[0].qty"),
    ({"orders": [limit("a", "buy", 8, -1)]}, "orders[0].qty"),
    ({"orders": [limit("a", "buy", 8, 1.5)]}, "orders[0].qty"),
    ({"orders": [limit("a", "buy", 8, QTY_LOTS_MAX + 1)]}, "orders[0].qty"),
    ({"orders": [limit("a", "buy", 8, 10**40)]}, "orders[0].qty"),
    ({"orders": [limit("a", "buy", 8, "9" * 5_000)]}, "orders[0].qty"),
    ({"orders": [limit("a", "buy", 8, True)]}, "orders[0].qty"),
    ({"orders": [limit("a", "buy", 8, None)]}, "orders[0].qty"),
    ({"orders": [limit("a", "buy", 8, seq="x")]}, "orders[0].seq"),
    ({"orders": [], "reference_price": "x"}, "reference_price"),
    ({"orders": [], "reference_price": str(PRICE_TICKS_MAX + 1)}, "reference_price"),
    ({"orders": [], "tick": 0}, "tick"),
    ({"orders": [], "tick": "-0.1"}, "tick"),
    ({"orders": [], "nbbo": 7}, "nbbo"),
    ({"orders": [], "nbbo": {"nbb": "x", "nbo": 1}}, "nbbo.nbb"),
    ({"input": {"orders": [limit("a", "hold", 8)]}}, "input.orders[0].side"),
]


@pytest.mark.parametrize(("content", "named"), BAD, ids=[f"{i}-{named}" for i, (_, named) in enumerate(BAD)])
def test_bad_input_is_named_and_leaves_stdout_empty(run, content, named):
    for options in ([], ["--json"]):
        code, out, err = run(content, *options)
        assert (code, out) == (1, "")
        assert named in err and err.count("\n") == 1


def test_a_missing_time_is_named(run):
    call = {"orders": [limit("a", "buy", 8, time=1), limit("b", "sell", 8)]}
    code, out, err = run(call, "--json", "--rules", "bnb_four_step_5pct")
    assert (code, out) == (1, "") and "orders[1].time" in err
    assert run(call, "--json")[0] == 0


@pytest.mark.parametrize(
    "options", [["--rules", "nobody"], ["--tick", "0"], ["--tick", "x"], ["--tick", "1e-13"], ["--nothing"]]
)
def test_bad_arguments_exit_with_2(run, options):
    code, out, err = run(CROSSED, "--json", *options)
    assert (code, out) == (2, "") and err


def test_more_orders_than_the_limit_are_refused(monkeypatch):
    monkeypatch.setattr("gateway.auction_file.CLEAR_ORDERS_MAX", 1)
    with pytest.raises(InputError, match="2 orders, more than 1"):
        read_auction_file(json.dumps(CROSSED).encode())
    assert CLEAR_ORDERS_MAX >= 1_000_000


def test_the_installed_command(tmp_path):
    path = tmp_path / "call.json"
    path.write_text(json.dumps(CROSSED))
    command = [sys.executable, "-m", "gateway.cli", "clear"]
    done = subprocess.run([*command, str(path), "--json"], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["price"] == "6" and done.stderr == ""
    missing = subprocess.run([*command, str(tmp_path / "none.json")], capture_output=True, text=True)
    assert missing.returncode == 2 and missing.stdout == ""


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["buy", "limit"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["orders", "input", "id", "side", "type", "price", "qty", "seq", "tick", "reference_price"]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=12,
)


@given(st.one_of(st.binary(max_size=60), JSON.map(lambda value: json.dumps(value).encode())))
def test_whatever_the_bytes_are_the_reader_answers_or_names_the_fault(raw):
    try:
        call = read_auction_file(raw)
    except InputError as error:
        assert str(error)
    else:
        assert len(call.ids) == len(call.prices) == call.side.size
