"""`qhatu`: one command line over the whole venue. Each command lives in `gateway/commands/`, imported when called.

The folder of compiled kernels is chosen here, before the engine is imported: it is named after a hash of every kernel
source, because Numba does not see that a helper in another file has changed.
"""

from __future__ import annotations

import importlib
import os
import sys
from hashlib import blake2b
from importlib import metadata
from pathlib import Path

COMMANDS = {
    "serve": "Run the venue: sockets, log, engine, follower and SQLite sink.",
    "demo": "Run a live harvest season on real lots, or play one without waiting (--fast).",
    "clear": "Clear one call auction from a file.",
    "match": "Match a file of orders continuously.",
    "lots": "Look at a CSV file of auction lots, row by row; take it into a catalogue.",
    "practice": "A practice sale on the lots of a past season, against simulated bidders.",
    "replay": "Rebuild the state from disk and print its hash.",
    "verify": "Check every record, kernel against oracle.",
    "snapshot": "Write the state at the end of the log as a snapshot.",
    "export": "Write orders, fills, trades, candles, auctions or events as CSV, JSON lines or Parquet.",
    "skip": "Pass over one command that stopped the venue (the venue must be stopped).",
    "doctor": "Say what is wrong with a data directory and what can be done.",
    "backup": "Copy a venue's data, also while it runs, and check the copy.",
    "restore": "Make a data directory from a backup, checked.",
    "apply-config": "Turn an edited configuration into commands.",
}


def kernel_cache_dir() -> Path:
    """Where compiled kernels are kept: `$QHATU_CACHE`, else the user's cache folder; one folder per kernel source."""
    root = Path(
        os.environ.get("QHATU_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "qhatu"
    )
    engine = Path(__file__).resolve().parent.parent / "engine"
    digest = blake2b(digest_size=8)
    for source in sorted([*engine.glob("kernels/*.py"), engine / "codes.py", engine / "limits.py"]):
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    digest.update(f"{sys.version_info[:2]} {metadata.version('numba')} {metadata.version('numpy')}".encode())
    return root / f"kernels-{digest.hexdigest()}"


def use_kernel_cache() -> None:
    """Point Numba at the kernel cache. Must run before the engine is imported; a folder already chosen is kept."""
    if "NUMBA_CACHE_DIR" not in os.environ:
        folder = kernel_cache_dir()
        folder.mkdir(parents=True, exist_ok=True)
        os.environ["NUMBA_CACHE_DIR"] = str(folder)


def main() -> None:
    """Entry point of the `qhatu` command. Exit codes: 0 done, 1 bad input or a stopped venue, 2 bad arguments."""
    try:
        use_kernel_cache()
    except OSError as error:
        sys.exit(f"qhatu: the folder for compiled kernels cannot be made: {error}; $QHATU_CACHE names another")
    import typer

    app = typer.Typer(
        name="qhatu",
        help="An exchange that co-operatives can run themselves.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    wanted = next((word for word in sys.argv[1:] if not word.startswith("-")), None)
    for name, text in COMMANDS.items():
        if name == wanted:
            module = importlib.import_module(f"gateway.commands.{name.replace('-', '_')}")
            app.command(name, help=text)(getattr(module, name.replace("-", "_")))
        else:
            app.command(name, help=text)(_not_called)

    @app.callback(invoke_without_command=True)
    def _root(version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
        if version:
            typer.echo(f"qhatu {metadata.version('qhatu')}")
            raise typer.Exit

    app()


def _not_called() -> None:
    raise AssertionError("a command is imported by its name before it is called")


if __name__ == "__main__":
    main()
