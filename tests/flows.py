"""Generated flows of hot and cold commands, as lists of (seconds since the one before, batches of one record)."""

from __future__ import annotations

from random import Random
from typing import Any

from hypothesis import strategies as st

from engine.codes import CommandKind, OrderType, Phase, Side, TimeInForce
from engine.messages import bodies
from engine.messages.batch import Batch, cold
from engine.messages.refs import stream_ref, text_ref
from tests.recorder import SECOND_NS, T0_NS, Recorder, auction_sale, bid_of, open_venue, order_row

ACCOUNTS = st.integers(1, 6)  # one more than are open
INSTRUMENTS = st.integers(1, 3)
PHASES = st.sampled_from(list(Phase))
REFS = st.one_of(
    st.just((0, 0, 0)),
    st.builds(stream_ref, st.integers(0, 1), st.integers(1, 20)),
    st.builds(lambda n: text_ref(f"id-{n}"), st.integers(0, 8)),
)


@st.composite
def orders(draw: Any) -> Batch:
    """NEW near the reference; now and then a market order."""
    type_ = draw(st.sampled_from([OrderType.LIMIT] * 4 + [OrderType.MARKET]))
    return order_row(
        draw(ACCOUNTS),
        draw(st.sampled_from(list(Side))),
        draw(st.integers(6695, 6715)) if type_ == OrderType.LIMIT else 0,
        draw(st.integers(1, 20)),
        instrument=draw(INSTRUMENTS),
        type=type_,
        tif=draw(st.sampled_from([TimeInForce.GTC] * 4 + [TimeInForce.IOC, TimeInForce.FOK])),
        ref=draw(REFS),
    )


@st.composite
def changes(draw: Any) -> Batch:
    """CANCEL or REPLACE of one of the first slots, right or wrong."""
    kind = draw(st.sampled_from([CommandKind.CANCEL, CommandKind.REPLACE]))
    replaces = kind == CommandKind.REPLACE
    return order_row(
        draw(ACCOUNTS),
        draw(st.sampled_from(list(Side))) if replaces else Side.BUY,
        draw(st.integers(6695, 6715)) if replaces else 0,
        draw(st.integers(1, 20)) if replaces else 0,
        instrument=draw(INSTRUMENTS),
        kind=kind,
        order=(1 << 32) + draw(st.integers(0, 12)),
        ref=draw(REFS),
    )


@st.composite
def schedules(draw: Any) -> Batch:
    entries = draw(
        st.lists(
            st.builds(
                bodies.ScheduleEntry,
                st.integers(0, 600).map(lambda s: T0_NS + s * SECOND_NS),
                PHASES,
                st.booleans(),
            ),
            min_size=1,
            max_size=4,
        )
    )
    return cold(bodies.Schedule(draw(INSTRUMENTS), draw(st.integers(1, 2)), tuple(entries)))


BIDS = st.builds(
    lambda account, lot, steps, name: bid_of(
        account, lot, 400 + steps, client_id=None if name is None else f"bid-{name}"
    ),
    ACCOUNTS,
    st.integers(1, 3),
    st.integers(-1, 30).map(lambda k: k * 10) | st.just(5),
    st.none() | st.integers(0, 5),
)
CALLS = st.one_of(
    st.builds(lambda i, p: cold(bodies.SetPhase(i, p)), INSTRUMENTS, PHASES),
    st.builds(lambda i, p: cold(bodies.Uncross(i, p)), INSTRUMENTS, st.sampled_from([Phase.CONTINUOUS, Phase.CLOSED])),
    schedules(),
    st.just(cold(bodies.Time())),
)
COMMANDS = st.one_of(orders(), orders(), orders(), changes(), BIDS, CALLS)


def mixed_flow() -> st.SearchStrategy[list[tuple[int, list[Batch]]]]:
    """A few records of up to 60 commands, hot and cold mixed, over some minutes of venue time."""
    return st.lists(st.tuples(st.integers(0, 120), st.lists(COMMANDS, min_size=1, max_size=60)), min_size=1, max_size=6)


def open_markets(recorder: Recorder) -> None:
    """Instrument 1 in a call that a calendar will uncross, and again later; 2 before its opening; a sale on show."""
    open_venue(recorder)
    moves = ((30, Phase.CONTINUOUS, True), (90, Phase.CALL, False), (150, Phase.CLOSED, True), (200, Phase.CALL, False))
    entries = tuple(
        bodies.ScheduleEntry(recorder.ts_ns + after_s * SECOND_NS, phase, uncross) for after_s, phase, uncross in moves
    )
    recorder.do(
        bodies.SetPhase(1, Phase.CALL),
        bodies.SetPhase(2, Phase.PRE_OPEN),
        bodies.Schedule(1, 1, entries),
        auction_sale(recorder.ts_ns),
    )


def seeded_flow(seed: int, records: int = 30) -> list[tuple[int, list[Batch]]]:
    """A longer flow than hypothesis likes to draw: `records` of 1 to 30 commands, about half of them orders that
    meet, the rest cancels, replaces, bids, calls and the odd mistake."""
    rng = Random(seed)
    accounts, texts = (1, 2, 3, 4, 5) * 5 + (6,), [f"id-{number}" for number in range(60)]

    def ref() -> tuple[int, int, int]:
        form = rng.random()
        if form < 0.4:
            return (0, 0, 0)
        if form < 0.6:
            return stream_ref(rng.randrange(2), rng.randrange(1, 2_000))
        return text_ref(rng.choice(texts))

    def order() -> Batch:
        unpriced = rng.random() < 0.1
        return order_row(
            rng.choice(accounts),
            Side(rng.randrange(2)),
            0 if unpriced else rng.randrange(6_690, 6_720),
            rng.randrange(1, 40),
            instrument=rng.choice((1,) * 12 + (2,) * 3 + (3,)),
            type=OrderType.MARKET if unpriced else OrderType.LIMIT,
            tif=rng.choice((TimeInForce.GTC,) * 6 + (TimeInForce.IOC, TimeInForce.FOK)),
            ref=ref(),
        )

    def change() -> Batch:
        replaces = rng.random() < 0.5
        return order_row(
            rng.choice(accounts),
            Side(rng.randrange(2)) if replaces else Side.BUY,
            rng.randrange(6_690, 6_720) if replaces else 0,
            rng.randrange(1, 40) if replaces else 0,
            instrument=rng.choice((1,) * 9 + (2,)),
            kind=CommandKind.REPLACE if replaces else CommandKind.CANCEL,
            order=0 if rng.random() < 0.2 else (1 << 32) + rng.randrange(60),
            ref=ref(),
        )

    def bid() -> Batch:
        named = f"bid-{rng.randrange(40)}" if rng.random() < 0.5 else None
        return bid_of(rng.choice(accounts), rng.randrange(1, 4), 400 + 10 * rng.randrange(-1, 40), client_id=named)

    def call() -> Batch:
        instrument = rng.choice((1, 2))
        if rng.random() < 0.5:
            return cold(bodies.Uncross(instrument, rng.choice((Phase.CONTINUOUS, Phase.CLOSED))))
        return cold(bodies.SetPhase(instrument, rng.choice((Phase.CALL, Phase.PRE_OPEN, *Phase))))

    makers = (order,) * 10 + (change,) * 5 + (bid,) * 3 + (call,)
    return [(rng.randrange(25), [rng.choice(makers)() for _ in range(rng.randrange(1, 31))]) for _ in range(records)]
