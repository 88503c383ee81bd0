"""The golden venues: data directories that each generation's first release wrote, and what they come to."""

from __future__ import annotations

import json
import lzma
import tarfile
from io import BytesIO
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
GENERATIONS = sorted(int(path.name.removeprefix("generation-")) for path in FOLDER.glob("generation-*"))


def unpacked(generation: int, data: Path) -> Path:
    """The golden data directory of a generation, at `data`."""
    raw = lzma.decompress((FOLDER / f"generation-{generation}" / "venue.tar.xz").read_bytes())
    with tarfile.open(fileobj=BytesIO(raw)) as tar:
        tar.extractall(data, filter="data")
    return data


def expected(generation: int) -> dict[str, Any]:
    return json.loads((FOLDER / f"generation-{generation}" / "expect.json").read_text())
