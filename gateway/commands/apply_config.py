"""`qhatu apply-config`: turn an edited configuration into commands, with the venue stopped.

Everything is checked before anything is written. The commands go into one record of the log (several when they do not
fit), the new digest last, at the time of the last record: no timer fires here, and the next start tells of the whole
outage.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def apply_config(
    config: Annotated[Path, typer.Option("--config", help="The edited configuration.")],
    data: Annotated[
        Path | None, typer.Option("--data", help="The venue's data; the configuration's own when left out.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")] = False,
) -> None:
    """Exit 0: applied, or nothing to do. Exit 1: nothing was changed, stderr says why."""
    from gateway.config import ConfigError

    try:
        for line in applied(config, data, dry_run=dry_run):
            typer.echo(line)
    except ConfigError as error:
        typer.echo(f"qhatu: {error}", err=True)
        raise typer.Exit(1) from None


def applied(file: Path, data: Path | None, *, dry_run: bool) -> list[str]:
    """Lines that say what changed. Raises ConfigError when it cannot be done; then nothing was changed."""
    from engine.codes import EventKind, Reason, name_of
    from engine.log.files import Locked, RealFiles
    from engine.log.interface import LogCorrupt, LogFailed
    from engine.log.local import LocalLog
    from engine.log.replay import DigestDiffers
    from gateway.config import ConfigError, batches, load
    from gateway.config_store import changes, keep, kept
    from gateway.replaying import NoWayBack, rebuild
    from gateway.sequencer import Stamp

    edited = load(file)
    folder = data or Path(edited.server.data)
    if not (folder / "log").is_dir():
        raise ConfigError(folder, "", "no venue has run here: `qhatu serve` reads the configuration when it is new")
    try:
        log = LocalLog.open(RealFiles(), folder / "log", writable=not dry_run)
    except Locked:
        raise ConfigError(folder, "", "the venue is running: stop it first") from None
    except (LogCorrupt, LogFailed) as error:
        raise ConfigError(folder, "", str(error)) from None
    try:
        try:
            machine = rebuild(folder, log=log).machine
        except (LogCorrupt, NoWayBack, DigestDiffers) as error:
            raise ConfigError(folder, "", str(error)) from None
        old = kept(folder, machine.venue.config_digest)
        if old is None:
            raise ConfigError(folder / "config", "", "the configuration in force is missing: start the venue once")
        venue = machine.venue
        new = load(file, base=old, highest=max(venue.instruments.keys() | venue.delisted.keys(), default=0))
        found = changes(old, new, file)
        words = [change.words for change in found]
        if not found:
            return ["nothing to apply: this is the configuration in force"]
        if dry_run:
            return [f"would apply: {line}" for line in words]
        keep(new, folder)
        stamp = Stamp(log.claim(), log.shard)
        for batch in batches([change.body for change in found if change.body is not None]):
            record = stamp.record(batch, 0, machine.seq, machine.event_digest)
            log.write(record)
            events = machine.apply(record)
            refused = events[events["kind"] == EventKind.REJECTED]
            words += [f"refused: {name_of(Reason, int(event['reason']))}" for event in refused]
        log.write(stamp.record(batch.__class__(batch.rows[:0]), 0, machine.seq, machine.event_digest))
        return words
    except LogFailed as error:
        raise ConfigError(folder, "", str(error)) from None
    finally:
        log.close()
