"""`qhatu doctor --data DIR`: what is wrong with a data directory, in words, and what can be done. Changes nothing."""

from __future__ import annotations

import json

import typer

from gateway.offline import AsJson, DataDir


def doctor(data: DataDir, as_json: AsJson = False) -> None:
    """Exit 0: the venue can start and nothing is lost. Exit 1: it cannot, or something is; stdout says what."""
    from gateway.doctor.examine import examine, is_well

    found = examine(data)
    well = is_well(found)
    if as_json:
        findings = [finding._asdict() for finding in found]
        typer.echo(json.dumps({"data": str(data), "well": well, "findings": findings}))
    else:
        for finding in found:
            typer.echo(f"{finding.level.value.upper()}: {finding.what}")
            if finding.do:
                typer.echo(f"    What to do: {finding.do}")
        typer.echo("The venue can start and nothing is lost." if well else "Not well: see above.")
    raise typer.Exit(0 if well else 1)
