"""`qhatu lots FILE.csv`: look at a file of auction lots, row by row; take it into a catalogue when that is asked.

Without --url or --data the file is held against the rules alone. With one of them it is held against that venue's
catalogue too, and nothing is taken before --take says so: `file` takes all rows, if none has an error; `rows` takes the
rows without. A file that is taken twice does nothing the second time.
"""

from __future__ import annotations

import json
import os
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.offline import AsJson, Refused, refusals


class Taking(StrEnum):
    none = "none"
    file = "file"
    rows = "rows"


def lots(
    file: Annotated[Path, typer.Argument(help="CSV, the first line names the columns.", show_default=False)],
    check: Annotated[bool, typer.Option("--check", help="Look only, whatever --take says.")] = False,
    url: Annotated[str | None, typer.Option("--url", help="Of a venue that runs; its key in $QHATU_KEY.")] = None,
    data: Annotated[Path | None, typer.Option("--data", help="Data directory of a venue that does not run.")] = None,
    take: Annotated[Taking, typer.Option("--take", help="What to take: nothing, the file whole, its good rows.")] = (
        Taking.none
    ),
    seller: Annotated[int, typer.Option("--seller", min=0, help="Account of rows that name none.")] = 0,
    add: Annotated[int, typer.Option("--add", min=0, max=2**30, help="To every number in the file.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Exit 0: looked at, or taken as asked. Exit 1: --take file and a row has an error, or no such file or venue."""
    if url is not None and data is not None:
        raise typer.BadParameter("give --url or --data", param_hint="--data")
    taking = Taking.none if check else take
    if taking is not Taking.none and url is None and data is None:
        raise typer.BadParameter("into which venue? Give --url or --data", param_hint="--take")
    with refusals("lots"):
        raw = file.read_bytes()
        if url is not None:
            told = _over_http(url, raw, taking, seller, add)
        elif data is not None:
            told = _into(data, raw, taking, seller, add)
        else:
            told = _alone(raw, seller, add)
    typer.echo(json.dumps(told, ensure_ascii=False) if as_json else "\n".join(_lines(told, taking)))
    if taking is Taking.file and told["errors"]:
        raise typer.Exit(1)


def _alone(raw: bytes, seller: int, add: int) -> dict[str, Any]:
    from engine.state.venue import Venue
    from gateway.lot_csv import read
    from gateway.lot_import import report

    sheet = read(raw, seller=seller, now_ns=time.time_ns(), add=add)
    return report(Venue(), sheet) | {"taken": 0, "refused": []}


def _into(data: Path, raw: bytes, taking: Taking, seller: int, add: int) -> dict[str, Any]:
    from gateway.lot_csv import read
    from gateway.lot_import import check, commands, report
    from gateway.stopped_venue import stopped

    with stopped(data) as venue:
        catalogue = venue.machine.venue
        sheet = read(raw, seller=seller, now_ns=max(time.time_ns(), venue.machine.ts_ns), add=add)
        check(catalogue, sheet, own=0)
        told = report(catalogue, sheet)
        bodies = commands(catalogue, sheet, taking.value)
        refused = venue.do(list(bodies))
    return told | {"taken": len(bodies) - len(refused), "refused": [{"number": 0, "code": code} for code in refused]}


def _over_http(url: str, raw: bytes, taking: Taking, seller: int, add: int) -> dict[str, Any]:
    from urllib.error import HTTPError
    from urllib.parse import urlencode
    from urllib.request import Request, urlopen

    key = os.environ.get("QHATU_KEY")
    if not key:
        raise Refused("put the key into $QHATU_KEY")
    if not url.startswith(("http://", "https://")):
        raise Refused(f"{url} is no address such as http://127.0.0.1:8080")
    asked = f"{url.rstrip('/')}/v1/lots/import?" + urlencode({"take": taking.value, "seller": seller, "add": add})
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "text/csv"}
    try:
        with urlopen(Request(asked, raw, headers, method="POST"), timeout=120) as answer:
            return json.load(answer)
    except HTTPError as error:
        problem = json.loads(error.read() or b"{}")
        raise Refused(f"{problem.get('code', error.code)}: {problem.get('detail', error.reason)}") from None


def _lines(told: dict[str, Any], taking: Taking) -> list[str]:
    """A line for each finding, then the sums."""
    lines = [
        f"row {row['row']}, lot {row['number']}: {'ERROR' if one['error'] else 'warning'} {one['code']} in "
        f"{one['column'] or 'the row'}: {one['text']}"
        for row in told["rows"]
        for one in row["findings"]
    ]
    unchanged = sum(row["action"] == "unchanged" for row in told["rows"])
    codes = ", ".join(f"{code} {count}" for code, count in told["codes"].items())
    lines.append(
        f"{len(told['rows'])} rows: {told['ok']} ok, {told['warnings']} with warnings, {told['errors']} with errors"
    )
    if codes:
        lines.append(f"rows by code: {codes}")
    if told["columns_passed_over"]:
        lines.append(f"columns passed over: {', '.join(told['columns_passed_over'])}")
    if taking is Taking.none:
        lines.append("nothing was taken")
    elif taking is Taking.file and told["errors"]:
        lines.append("nothing was taken: a file with errors is taken by its good rows alone (--take rows)")
    else:
        lines.append(f"{told['taken']} taken, {unchanged} stood in the catalogue already")
    lines += [f"refused: lot {one['number']}: {one['code']}" for one in told["refused"]]
    return lines
