"""Restoring a backup: every file compared with the manifest, copied, synced; the state rebuilt, compared; then named.

What was acknowledged after the backup is not in it and cannot come out of it. The next start claims an epoch of its own
and tells every client so; SQLite and whatever else is derived is made anew.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from engine.limits import SEGMENT_HEADER_BYTES
from engine.log.archive import is_packed, list_all
from engine.log.files import RealFiles
from engine.log.segments import decode_segment_header, zero
from gateway.backups import Manifest, compare, read_manifest, walked
from gateway.offline import Refused
from gateway.places import LOG_FOLDER
from gateway.staging import check_free, copy_file, staged


def restore(source: Path, data: Path, *, step: Callable[[str], None] = lambda name: None) -> Manifest:
    """Make the data directory `data` from a backup. `step` is called before each file (a test makes it raise).

    Raises Refused, which names the file that is damaged or missing; OSError. Then there is no `data`.
    """
    manifest = read_manifest(source)
    check_free(data)
    with staged(data) as folder:
        for kept in manifest.files:
            step(kept.path)
            try:
                compare(kept, copy_file(source / _inside(kept.path), folder / kept.path))
            except FileNotFoundError:
                raise Refused(f"{kept.path} is missing in {source}") from None
        _lengthen(folder / LOG_FOLDER)
        step("check")
        _check(folder, manifest)
    return manifest


def _inside(name: str) -> str:
    """A path of a manifest that stays below its directory. Raises Refused."""
    path = Path(name)
    if path.is_absolute() or ".." in path.parts:
        raise Refused(f"the manifest names {name!r}, which is outside the backup")
    return name


def _lengthen(directory: Path) -> None:
    """Plain segments were kept up to their last record: zeros give them their length again, so that the venue writes
    over space that is there."""
    files = RealFiles()
    for _, path in list_all(files, directory):
        if is_packed(path):
            continue
        handle = files.open(path)
        try:
            header = decode_segment_header(files.pread(handle, SEGMENT_HEADER_BYTES, 0))
            zero(files, handle, files.size(handle), header.segment_bytes)
        finally:
            files.close(handle)


def _check(folder: Path, manifest: Manifest) -> None:
    """Rebuild the state from what was copied, and compare it with what the manifest says."""
    rebuilt = walked(folder)
    machine = rebuilt.machine
    for name, found, told in (
        ("sequence", machine.seq, manifest.seq),
        ("record digest", rebuilt.log.tail.digest.hex(), manifest.record_digest),
        ("event digest", machine.event_digest.hex(), manifest.event_digest),
        ("state hash", machine.state_hash().hex(), manifest.state_hash),
    ):
        if found != told:
            raise Refused(f"the restored state has another {name} than the backup: {found}, not {told}")
