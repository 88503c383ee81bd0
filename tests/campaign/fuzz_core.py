"""Generated flows through the compiled books and their oracle: the same answer to every call, events and all, the same
state hash. A flow is COMMANDS_PER_FLOW commands of its seed. `make fuzz-core COUNT=...` counts commands.

A flow that differs is written beside the ledger, shortened, one call a line.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

from engine.codes import EventKind
from engine.oracle.books import Books as Oracle
from engine.state.books import Books
from engine.state.canonical import hash_of
from engine.state.hot import Hot, Space
from tests.campaign.ledger import DEFAULT, Outcome
from tests.engine.book_flows import Twins, furnished
from tests.engine.draws import TEXTS, Flow
from tests.engine.shrinking import shrunk, told

COMMANDS_PER_FLOW = 2_000
ROWS_MAX = 60
COMPARE_EVERY = 80  # calls between two comparisons of the whole state
SHRINK_SECONDS = 20.0
SHRUNK_MAX = 3  # flows of one portion
COUNTED = (EventKind.FILL, EventKind.TRIGGERED, EventKind.REDUCED, EventKind.REPRICED, EventKind.REJECTED)
SPACES = (
    Space(),
    Space(),
    Space(),
    Space(orders=60, slots_initial=4),
    Space(slots_initial=5, generations=3, orders=400),
    Space(streams=6, client_ids=40, streams_share=3, client_ids_share=12),
)
SHAPES = (  # physical, never seen
    dict(window_ticks=64, event_rows=2, hash_seed=1),
    dict(window_ticks=1_024),
    dict(window_ticks=64, event_rows=7),
)


def implementations(seed: int) -> list[Hot]:
    space = SPACES[seed % len(SPACES)]
    return [Oracle(space), Books(space, **SHAPES[seed // len(SPACES) % len(SHAPES)])]


def furnished_implementations(seed: int) -> list[Hot]:
    return [furnished(hot) for hot in implementations(seed)]


def flow_of(seed: int, twins: Twins) -> None:
    """Run it. Raises Difference, or what an implementation raises."""
    random = Random(seed)
    flow = Flow(twins, random)
    while twins.seq < COMMANDS_PER_FLOW:
        if random.randrange(60) == 0:
            twins.reload(implementations(seed))
        flow.step(ROWS_MAX)
    twins.compare()
    twins.compare_readers(TEXTS)
    hashes = {hash_of(3, twins.seq, twins.ts_ns, hot.canonical()) for hot in twins.all}
    assert len(hashes) == 1


def run(first: int, count: int) -> Outcome:
    """Flows `first` to `first + count`."""
    outcome = Outcome()
    for seed in range(first, first + count):
        twins = Twins(*furnished_implementations(seed), compare_every=COMPARE_EVERY)
        try:
            flow_of(seed, twins)
        except Exception as error:
            found = f"--part fuzz_core --first {seed}: {type(error).__name__} {str(error)[:600]}"
            if len(outcome.failures) < SHRUNK_MAX:
                found += f"; {_written(seed, twins)}"
            outcome.failures.append(found)
        kinds = {kind.name.lower(): float(twins.kinds[kind]) for kind in COUNTED}
        outcome.add(commands=twins.seq - 1, events=float(twins.kinds.sum()), **kinds)
    return outcome


def _written(seed: int, twins: Twins) -> Path:
    """The file with the shortened flow."""
    calls = shrunk(twins.journal, lambda: furnished_implementations(seed), SHRINK_SECONDS)
    path = DEFAULT.with_name(f"fuzz_core_{seed}.txt")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{told(call)}\n" for call in calls))
    return path
