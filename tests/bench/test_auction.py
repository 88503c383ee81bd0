"""The auction benchmark answers the same by every way it measures, and prints what it says it prints."""

from __future__ import annotations

import json

from hypothesis import assume, given
from hypothesis import strategies as st

from bench import auction
from engine.markets.call_auction import clear_flat
from tests.auctions import flat_of, orders


@given(orders(max_size=20), st.integers(-8, 8), st.booleans())
def test_the_numpy_baseline_is_the_same_auction(book, reference, pro_rata):
    assume(any(order.price_ticks is not None for order in book))
    clearing, fills = auction.clear_in_numpy(flat_of(book), reference, pro_rata=pro_rata)
    result = clear_flat(flat_of(book), reference, auction.PRO_RATA if pro_rata else "harvest")
    assert clearing == result.clearing
    assert fills.tolist() == result.fills.tolist()


def test_a_small_run(capsys):
    auction.main(["--json", "--flat-max", "1000", "--books", "20000", "--live-max", "1000", "--runs", "2"])
    lines = json.loads(capsys.readouterr().out)
    assert [(line["name"], line["orders"], line["ticks"]) for line in lines] == [
        ("flat", 1_000, 1_024),
        ("flat", 1_000, 65_536),
        ("pro-rata", 1_000, 1_024),
        ("pro-rata", 1_000, 65_536),
        ("books.1", 20_000, 1_024),
        ("books.2", 20_000, 1_024),
        ("live", 1_000, 1_024),
    ]
    assert lines[0]["hash"] == lines[6]["hash"], "flat and live are the same auction"
    assert lines[0]["hash"] != lines[2]["hash"], "sharing at the margin is another answer"
    assert lines[4]["hash"] == lines[5]["hash"], "threads change nothing"
    assert all(line["ratio"] > 0 for line in lines)


def test_a_line_for_people(capsys):
    auction.main(["--flat-max", "1000", "--books", "0", "--live-max", "0", "--runs", "1", "--seed", "7"])
    text = capsys.readouterr().out
    assert text.count("\n") == 4 and "ns/order" in text and "hash" in text and "seed 7" in text
