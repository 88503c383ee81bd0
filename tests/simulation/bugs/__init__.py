"""Bugs planted on purpose, one at a time: a simulator that finds none of them would prove nothing."""

from __future__ import annotations

from tests.simulation.bugs import feeds, keeping, writing
from tests.simulation.variants import Variants

BUGS: list[type[Variants]] = [
    writing.AckBeforeSync,
    writing.ApplyBeforeDurable,
    writing.SkipDataSync,
    writing.SkipDirectorySync,
    writing.RetryFailedSync,
    writing.ForgetIdsOnReplay,
    writing.CutTheLastRecord,
    writing.FollowUndurable,
    writing.NoResume,
    writing.ForgetTimersOnRestart,
    writing.NewIdOnRepeat,
    feeds.ForgetCancelledLevels,
    feeds.SkipALevel,
    feeds.TellTradesTwice,
    feeds.NumbersBeginAnew,
    feeds.LeakTheMaximum,
    feeds.PublicSeesAll,
    keeping.RowsBeforeCursor,
    keeping.CursorBeforeRows,
    keeping.SnapshotUnsynced,
    keeping.SnapshotForgetsTrades,
    keeping.ArchiveUnsynced,
    keeping.FullIsNotTold,
    keeping.RotUnchecked,
]
