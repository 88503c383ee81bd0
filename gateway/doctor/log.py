"""Checks of the log, the only truth: every segment, archived or not, every record and the chain between them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from gateway.doctor.finding import Finding, Level
from gateway.doctor.scene import Scene, Segment

RESTORE = "qhatu restore --from BACKUP --data {}-restored"


def records(scene: Scene) -> Iterator[Finding]:
    """Damage by segment, offset and sequence. What a start reads prevents it; in the archive it is history that is
    lost."""
    for segment in scene.segments:
        if segment.trouble is None:
            continue
        if segment.packed:
            yield Finding(
                Level.LOST,
                "archive_damaged",
                f"Archived {segment.trouble}. The venue starts from its snapshots, but the commands in this file from "
                f"{segment.trouble.seq or 'its beginning'} on can no longer be replayed, verified or exported from it.",
                f"Take the file from a backup: `cp BACKUP/log/archive/{segment.path.name} {segment.path}`.",
            )
        else:
            yield Finding(
                Level.STOP,
                "log_damaged",
                f"A record that was durable is damaged: {segment.trouble}. The venue refuses to start rather than to "
                "forget what it acknowledged.",
                "Keep the directory as it is; copy the file from another disk or a backup if that has it, else "
                f"restore: `{RESTORE.format(scene.data)}`. Then look at the disk (`smartctl`, `dmesg`).",
            )


def gaps(scene: Scene) -> Iterator[Finding]:
    """Segments that are missing between two others, before the first or after the last."""
    whole = [segment for segment in scene.segments if segment.begins is not None]
    for before, after in pairwise(whole):
        if before.trouble is None and after.begins != before.tail:
            yield from _gap(scene, before, after)
    if scene.segments and (first := scene.segments[0].tail if not whole else whole[0].begins):
        begins = first.next_number
        if begins > 1:
            yield Finding(
                Level.LOST,
                "log_begins_late",
                f"The log begins at record {begins:,}: what was before it is neither in the log nor in its archive. "
                "The venue starts from a snapshot; verify, export and tables from the beginning are not possible.",
                f"Copy the archive back: `mkdir -p {scene.log_folder}/archive; cp BACKUP/log/archive/*.zst "
                f"{scene.log_folder}/archive/`.",
            )
    if scene.segments and scene.segments[-1].packed:
        yield Finding(
            Level.STOP,
            "log_end_missing",
            f"The archive goes up to record {scene.end.next_number - 1:,}, but the segments after it are gone.",
            f"Restore a backup: `{RESTORE.format(scene.data)}`.",
        )


def _gap(scene: Scene, before: Segment, after: Segment) -> Iterator[Finding]:
    assert after.begins is not None
    begins, ends = after.begins.next_number, before.tail.next_number
    what = "they do not belong together"
    if begins > ends:
        what = f"records {ends:,} to {begins - 1:,} are missing: a file is gone, or the first one's end"
    level = Level.LOST if before.packed else Level.STOP  # a start reads from a snapshot on
    yield Finding(
        level,
        "log_gap",
        f"Between {before.path.name} and {after.path.name} {what}.",
        "Take the missing file from a backup (`log/` or `log/archive/` in it), else restore: "
        f"`{RESTORE.format(scene.data)}`.",
    )


def end(scene: Scene) -> Iterator[Finding]:
    """Where the log ends, and a write that did not come to its end."""
    if not scene.segments:
        yield Finding(Level.NOTE, "log", "The log is empty: a venue was begun here and has decided nothing yet.")
        return
    torn = scene.segments[-1].torn
    if torn is not None:
        yield Finding(
            Level.NOTE,
            "torn_tail",
            f"The log ends in a write that was cut off (segment {torn.segment}, byte {torn.offset:,}, after command "
            f"{torn.seq - 1:,}: {torn.why}). It was never acknowledged; whoever sent it asks again with the same id.",
            "Nothing: the next start cuts it. (A last record that the disk damaged before another followed looks the "
            "same: if the disk reports errors, compare the last answers with `qhatu replay`.)",
        )
    if not any(segment.trouble for segment in scene.segments):
        archived = sum(segment.packed for segment in scene.segments)
        yield Finding(
            Level.FINE,
            "log",
            f"The log holds {scene.end.next_number - 1:,} records with {scene.end.next_seq - 1:,} commands in "
            f"{len(scene.segments)} files ({archived} archived), each read and its chain checked.",
        )
