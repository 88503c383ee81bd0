"""Calls of the real processes that fail, by libfiu (Debian package fiu-utils), on a data directory that goes on.

    running   from a random moment under load every such call of the venue, or of a child, fails
    starting  every such call fails from the first instruction of the venue on

A venue whose call fails ends by itself with the code for storage, and acknowledges nothing after the call; one whose
child's call fails goes on. After each the venue starts again without faults; at the end the check is that of kills.
Which call of the log fails inside which step is enumerated in the suite, through the seam of `Files`.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from engine.log.files import RealFiles
from engine.log.local import LocalLog
from gateway.places import LOG_FOLDER
from tests.campaign.kills import STDERR, Life, in_a_directory
from tests.campaign.ledger import Outcome
from tests.campaign.served import NotServed, Served

PRELOADED = [Path("/usr/lib/fiu/fiu_run_preload.so"), Path("/usr/lib/fiu/fiu_posix_preload.so")]
ERRNOS = (errno.EIO, errno.ENOSPC)
OF_SERVE = ("posix/io/rw/pwrite", "posix/io/sync/fdatasync")  # those that each record makes
AT_START = (*OF_SERVE, "posix/io/sync/fsync", "posix/io/dir/unlink")
OF_CHILD = (*AT_START, "posix/io/dir/rename", "posix/io/oc/open", "posix/io/rw/ftruncate")
SITES = [
    *(("serve", name, code) for name in OF_SERVE for code in ERRNOS),
    *(("start", name, code) for name in AT_START for code in ERRNOS),
    *(("child", name, code) for name in OF_CHILD for code in ERRNOS),
]
EXITS = (1, 4)  # refused to start, or the log failed
END_SECONDS_MAX = 20.0
GO_ON_SECONDS = 1.0


def available() -> bool:
    """Whether libfiu is there."""
    return shutil.which("fiu-ctrl") is not None and all(path.exists() for path in PRELOADED)


def run(first: int, count: int) -> Outcome:
    """Faults `first` to `first + count` of the round of sites, in one directory."""
    if not available():
        return Outcome([f"--part write_sites --first {first}: libfiu is not installed (Debian package fiu-utils)"])
    sites = iter(SITES[number % len(SITES)] for number in range(first, first + count))
    with tempfile.TemporaryDirectory(prefix="qhatu-fiu-") as pipes:
        return in_a_directory("write_sites", first, count, lambda life: fault(life, Path(pipes), *next(sites)))


async def fault(life: Life, pipes: Path, target: str, name: str, code: int) -> None:
    """One fault, and the end of the venue it was planted in."""
    control = f"enable name={name},failinfo={code}"
    if target == "start":
        await _at_start(life, pipes, control)
    else:
        served = await life.start(environment(pipes))
        pid = served.process.pid if target == "serve" else await life.child()
        assert pid is not None, "there is no child"
        await life.wait()
        if target == "serve":
            await _of_serve(life, pipes, pid, control)
        else:
            await _of_child(life, pipes, pid, control)
    life.outcome.add(**{f"of_{target}": 1})


def environment(pipes: Path, control: str = "") -> dict[str, str]:
    return os.environ | {
        "LD_PRELOAD": " ".join(map(str, PRELOADED)), "FIU_CTRL_FIFO": str(pipes / "fiu"), "FIU_ENABLE": control,
    }  # fmt: skip


async def _plant(pipes: Path, pid: int, control: str) -> None:
    command = ["fiu-ctrl", "-f", str(pipes / "fiu"), "-c", control, str(pid)]
    await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True, timeout=10)


async def _of_serve(life: Life, pipes: Path, pid: int, control: str) -> None:
    """The record that it names when it ends, and whatever would follow, was told to nobody."""
    await _plant(pipes, pid, control)
    code = await life.ended(END_SECONDS_MAX)
    assert code in EXITS, f"{control}: exit code {code}"
    named = re.findall(r"record (\d+) could not be made durable", (life.data / STDERR).read_text())
    assert named, f"{control}: it does not say which record was lost"
    log = LocalLog.open(RealFiles(), life.data / LOG_FOLDER, writable=False)
    durable_seq = max((record.next_seq - 1 for record in log.read() if record.number < int(named[-1])), default=0)
    heard = life.load.last_seq()
    assert heard <= durable_seq, f"{control}: command {heard} was told, {durable_seq} was the last durable one"


async def _of_child(life: Life, pipes: Path, pid: int, control: str) -> None:
    """Others go on, whether it ends or not."""
    await _plant(pipes, pid, control)
    before = life.load.answers
    await asyncio.sleep(GO_ON_SECONDS)
    assert life.load.answers > before, f"{control} in a child: nothing is answered any more"
    assert life.served is not None
    life.outcome.add(child_ended=pid not in life.served.children())
    await life.kill()


async def _at_start(life: Life, pipes: Path, control: str) -> None:
    """It ends with a named error, or starts because it makes no such call."""
    try:
        served = await asyncio.to_thread(Served, life.data, life.data / STDERR, environment(pipes, control))
    except NotServed as refused:
        assert refused.code in EXITS, f"{control} at the start: exit code {refused.code}"
        said = (life.data / STDERR).read_text().splitlines()[-1]
        assert "qhatu" in said, f"{control} at the start: it ended with {said!r}"
        life.outcome.add(refused_to_start=1)
        return
    served.kill()
