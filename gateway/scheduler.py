"""Calendars into commands: SCHEDULE batches with absolute times, a little ahead of the clock.

The engine knows an entry by (instrument, calendar version, due), so what is sent twice, after a restart for instance,
does nothing. A round goes into the log whole, so that an outage inside it moves its end as much as its beginning.

An instrument without any move ahead whose phase is not the one that its calendar means (a new venue, a long outage) is
brought there: by one move where that is legal, into continuous trading by a short call.
"""

from __future__ import annotations

import numpy as np
import structlog

from engine.codes import PHASE_MOVES, UNCROSS_FROM, EventKind, Phase, Reason, name_of
from engine.limits import SCHEDULE_ENTRIES_MAX
from engine.machine import Machine
from engine.markets.random_end import SEED_BYTES
from engine.messages.batch import Batch, cold
from engine.messages.bodies import Schedule, ScheduleEntry
from gateway.calendars import SECOND_NS, Calendar, Entry, phase_at, rounds
from gateway.config import Config, Listing
from gateway.env import Env
from gateway.inbox import Busy, Outcome, Reply
from gateway.sequencer import Sequencer

HOUR_NS = 3_600 * SECOND_NS
MARGIN_NS = 2 * SECOND_NS  # an entry must still be in the future when its command is stamped
REOPEN_NS = 20 * SECOND_NS  # length of the call that leads back into continuous trading
EVERY_SECONDS = 15.0

log = structlog.get_logger(__name__)


def catch_up(phase: Phase, meant: Phase, start_ns: int, following: Entry | None) -> list[Entry]:
    """Moves from `start_ns` on that bring an instrument from `phase` to the phase that its calendar means.

    following  the next entry of the calendar, which must still find a phase that it can leave
    """
    if phase in (meant, Phase.HALTED):
        return []  # in order, or halted by an operator, who alone ends that
    if meant is Phase.CONTINUOUS or meant in UNCROSS_FROM:
        if phase in UNCROSS_FROM:
            call = []
        elif Phase.CALL in PHASE_MOVES[phase]:
            call = [Entry(start_ns, Phase.CALL, False)]
        else:
            return []
        if meant is not Phase.CONTINUOUS:
            return call
        uncross = Entry(start_ns + REOPEN_NS, Phase.CONTINUOUS, True)
        if following is None or following.due_ns > uncross.due_ns:
            return [*call, uncross]
        return call if following.phase is Phase.CALL or following.uncross else []
    return [Entry(start_ns, meant, False)] if meant in PHASE_MOVES[phase] else []


class Scheduler:
    """Keeps each instrument's calendar in the log, `hours_ahead` of the clock. Run it after genesis is applied."""

    def __init__(self, env: Env, sequencer: Sequencer, machine: Machine, config: Config) -> None:
        self.env, self.sequencer, self.machine, self.config = env, sequencer, machine, config
        self._through_ns: dict[int, int] = {}  # instrument -> rounds that begin before this are in the log

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self.top_up()
            await self.env.sleep(EVERY_SECONDS)

    def top_up(self) -> None:
        """Submit what the log does not have yet. An inbox that is full, or a refusal, is tried again next time."""
        now_ns = self.env.now_ns()
        for listing in self.config.instruments:
            entries, through_ns = self.due(listing, now_ns)
            if not entries:
                continue
            try:
                self.sequencer.submit(self._batch(listing, entries), self._reply(listing, through_ns))
            except Busy:
                return

    def due(self, listing: Listing, now_ns: int) -> tuple[list[Entry], int]:
        """(entries to send now, the time through which the log will then have rounds)."""
        calendar = self.config.calendars.get(listing.calendar)
        instrument = listing.body.instrument
        if calendar is None or instrument not in self.machine.venue.instruments:
            return [], now_ns
        start_ns = now_ns + MARGIN_NS
        end_ns = now_ns + int(calendar.hours_ahead * HOUR_NS)
        through_ns = self._through_ns.get(instrument, start_ns)
        if end_ns <= through_ns:
            return [], through_ns
        first = instrument not in self._through_ns
        ahead = [
            entry
            for found in rounds(calendar, start_ns, end_ns)
            if first or found[0].due_ns >= through_ns
            for entry in found
            if entry.due_ns > start_ns
        ]
        if first:
            ahead = self._joined(self._catch_up(calendar, instrument, start_ns), ahead)
        ahead = ahead[:SCHEDULE_ENTRIES_MAX]
        return ahead, end_ns

    def _catch_up(self, calendar: Calendar, instrument: int, start_ns: int) -> list[Entry]:
        if self.machine.venue.moves_of(instrument):
            return []
        phase = Phase(self.machine.hot.phase(instrument))
        day_ns = 24 * HOUR_NS
        soon = [entry for r in rounds(calendar, start_ns, start_ns + day_ns)[:2] for entry in r]
        later = [entry for entry in soon if entry.due_ns > start_ns and not entry.day_end]
        return catch_up(phase, phase_at(calendar, start_ns), start_ns, min(later, default=None))

    @staticmethod
    def _joined(extra: list[Entry], ahead: list[Entry]) -> list[Entry]:
        taken = {entry.due_ns for entry in ahead}
        return sorted([entry for entry in extra if entry.due_ns not in taken] + ahead)

    def _batch(self, listing: Listing, entries: list[Entry]) -> Batch:
        version = self.config.calendars[listing.calendar].version
        return cold(Schedule(listing.body.instrument, version, tuple(map(self._entry, entries))))

    def _entry(self, entry: Entry) -> ScheduleEntry:
        """A random end's seed is made here, and is nowhere but in the log until its call has ended."""
        seed = self.env.secret(SEED_BYTES) if entry.random_ns else b""
        return ScheduleEntry(entry.due_ns, int(entry.phase), entry.uncross, entry.day_end, entry.random_ns, seed)

    def _reply(self, listing: Listing, through_ns: int) -> Reply:
        def reply(outcome: Outcome) -> None:
            refused = refusal(outcome.events)
            if outcome.status == "applied" and refused is None:
                self._through_ns[listing.body.instrument] = through_ns
            else:
                log.warning("calendar not taken", instrument=listing.body.symbol, why=refused or outcome.status)

        return reply


def refusal(events: np.ndarray) -> str | None:
    """The reason of a REJECTED event that answers the command itself (not one of a timer), or None."""
    answers = events[(events["kind"] == EventKind.REJECTED) & (events["order"] == 0)]
    return name_of(Reason, int(answers["reason"][0])) if len(answers) else None
