"""Strings of entries against lists of pairs."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.limits import ACCOUNTS_MAX
from gateway.projections.postings import (
    FILLS_PER_BLOCK,
    SEQS_PER_BLOCK,
    entries_in,
    fills_in,
    postings_by_seq,
    postings_of_fills,
)

NUMBERS = st.one_of(st.integers(1, 200), st.integers(FILLS_PER_BLOCK - 50, FILLS_PER_BLOCK + 50), st.integers(1, 2**42))
KEYS = st.one_of(st.integers(0, 3), st.integers(0, ACCOUNTS_MAX))


@given(st.lists(st.tuples(NUMBERS, KEYS), min_size=1))
def test_fills_come_back_once_by_key_and_rising(pairs: list[tuple[int, int]]) -> None:
    found = postings_of_fills(*np.array(pairs, np.int64).T)
    assert [string[:2] for string in found] == sorted({(fill // FILLS_PER_BLOCK, key) for fill, key in pairs})
    assert [(fill, key) for block, key, entries in found for fill in fills_in(block, entries)] == sorted(
        set(pairs), key=lambda pair: (pair[0] // FILLS_PER_BLOCK, pair[1], pair[0])
    )


@given(st.lists(st.tuples(NUMBERS, KEYS, st.integers(0, 2**63 - 1)), min_size=1, unique=True))
def test_what_a_command_did_comes_back_by_key_in_order(entries: list[tuple[int, int, int]]) -> None:
    entries.sort(key=lambda entry: entry[0])
    found = postings_by_seq(*np.array(entries, np.int64).T)
    again = [
        (seq, key, what)
        for block, key, string in found
        for seq, what in zip(*map(np.ndarray.tolist, entries_in(block, string)), strict=True)
    ]
    assert again == sorted(entries, key=lambda entry: (entry[0] // SEQS_PER_BLOCK, entry[1]))


def test_the_fills_of_one_taker_are_one_entry() -> None:
    ((block, key, string),) = postings_by_seq(np.array([7, 7, 7]), np.array([2, 2, 2]), np.array([5, 5, 5]))
    assert (block, key) == (0, 2) and [column.tolist() for column in entries_in(block, string)] == [[7], [5]]


def test_no_fills_are_no_strings() -> None:
    nothing = np.zeros(0, np.int64)
    assert postings_of_fills(nothing, nothing) == [] and postings_by_seq(nothing, nothing, nothing) == []
