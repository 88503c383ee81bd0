"""Generated flows of hot and cold commands, as lists of (seconds since the one before, batches of one record)."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from engine.codes import CommandKind, OrderType, Phase, Side, TimeInForce
from engine.messages import bodies
from engine.messages.batch import Batch, cold
from engine.messages.refs import stream_ref, text_ref
from tests.recorder import SECOND_NS, T0_NS, bid_of, order_row

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
