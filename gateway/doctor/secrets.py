"""Checks of what the log does not hold and cannot give again: keys of sealed bids."""

from __future__ import annotations

from collections.abc import Iterator

from engine.state.sales.sealed import SealedState
from gateway.doctor.finding import Finding, Level
from gateway.doctor.scene import Scene
from gateway.places import VAULT_FILE
from gateway.vault import VaultCorrupt, read_keys


def keys(scene: Scene) -> Iterator[Finding]:
    """Can the bids of sales that are not over be opened? One without a key here may be for its bidder to open."""
    rebuilt, path = scene.start.rebuilt, scene.data / VAULT_FILE
    if rebuilt is None:
        return
    waiting = {
        one.commitment
        for sale in rebuilt.machine.venue.sales.values()
        if isinstance(sale.market, SealedState)
        for one in sale.market.bids.values()
        if one.commitment and one.steps is None and not one.void
    }
    try:
        found = read_keys(scene.files, path)
    except VaultCorrupt as error:
        yield Finding(
            Level.LOST if waiting else Level.WARNING,
            "keys_damaged",
            f"Keys of sealed bids are damaged: {error}. {len(waiting):,} bids of sales that are not over wait for one.",
            f"Take `{VAULT_FILE}` out of the newest backup; bids placed after it need their bidders' keys, or are void "
            "when the time for keys is over.",
        )
        return
    if not waiting and not found.records:
        return
    missing = len(waiting - found.keys.keys())
    if missing:
        yield Finding(
            Level.WARNING,
            "keys_missing",
            f"{missing:,} of {len(waiting):,} sealed bids of sales that are not over have no key in {path}: their "
            "bidders keep them, or the file was lost.",
            f"Where bidders do not seal by themselves: take `{VAULT_FILE}` out of the newest backup.",
        )
        return
    yield Finding(
        Level.FINE, "keys", f"{path} holds {found.records:,} keys, all that {len(waiting):,} sealed bids wait for."
    )
