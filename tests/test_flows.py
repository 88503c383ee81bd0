"""The generated flows reach what they are for: every command, every event, most reasons."""

from __future__ import annotations

import numpy as np

from engine.codes import CommandKind, EventKind, Reason
from engine.machine import Machine
from engine.oracle.books import Books
from tests.flows import open_markets, seeded_flow
from tests.recorder import Recorder

NOT_DRAWN = {
    CommandKind.RESUME, CommandKind.SKIP, CommandKind.GENESIS, CommandKind.GENERATION, CommandKind.OPEN_ACCOUNT,
    CommandKind.ADD_KEY, CommandKind.REVOKE_KEY, CommandKind.PLAN_SALE, CommandKind.END_SALE,
    CommandKind.VOID_SALE, CommandKind.OPEN_BIDS, CommandKind.PROPOSE, CommandKind.SETTLE, CommandKind.SPLIT,
    CommandKind.DEFINE_SEASON, CommandKind.DESCRIBE_LOT,
}  # fmt: skip
NOT_REACHED = {
    EventKind.RESUMED, EventKind.SKIPPED, EventKind.ACCOUNT_OPENED, EventKind.KEY_ADDED, EventKind.KEY_REVOKED,
    EventKind.GENERATION_OPENED, EventKind.SALE_OPENED, EventKind.LOT_PASSED_IN,
    EventKind.SALE_PLANNED, EventKind.SALE_STAGE, EventKind.SALE_VOIDED, EventKind.LOT_CHANGED, EventKind.ROUND,
    EventKind.AWARD_SET, EventKind.AWARD_SPLIT, EventKind.LOT_DESCRIBED, EventKind.SEASON_DEFINED,
    EventKind.SEALED_BID, EventKind.BIDS_CLOSED, EventKind.BID_OPENED, EventKind.KEY_REFUSED, EventKind.LET_GO,
    EventKind.PROBLEM_FROZEN, EventKind.PROPOSAL_TAKEN,
}  # fmt: skip


def test_flows_reach_every_command_and_event():
    commands, kinds, reasons = set(), set(), set()
    for seed in range(60):
        recorder = Recorder(Machine(Books()))
        open_markets(recorder)
        for after_s, batches in seeded_flow(seed):
            events = recorder.do(*batches, after_s=after_s)
            commands |= set(np.concatenate([batch.rows["kind"] for batch in batches]).tolist())
            kinds |= set(events["kind"].tolist())
            reasons |= set(
                events["reason"][np.isin(events["kind"], (EventKind.REJECTED, EventKind.CANCELLED))].tolist()
            )
    assert set(CommandKind) - commands == NOT_DRAWN
    assert set(EventKind) - kinds - NOT_REACHED == set()
    assert len(reasons) >= 55, {reason.name for reason in Reason if reason not in reasons}
