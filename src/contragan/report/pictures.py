"""Sample grids as parts of a page, within a budget of bytes."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from contragan.report.classes import spread
from contragan.report.read import RunFacts

BUDGET = 4_000_000
"""Characters of a page's pictures, all runs together."""

_MOST, _FEW = 50, 8
# (quality, scale), tried in turn until enough grids fit.
_LEVELS = ((80, 1.0), (60, 1.0), (50, 0.5), (30, 0.5))


@dataclass(frozen=True)
class Grid:
    """One sample grid: its iteration, its picture as a ``data:`` address, and its size."""

    step: int
    source: str
    width: int
    height: int


def grids(run: RunFacts, budget: int) -> list[Grid]:
    """A run's grids in at most ``budget`` characters; says in ``run.left_out`` what that took.

    PNG files stay as they are where all fit; otherwise they become WebP, and fewer where needed.
    """
    chosen = spread(run.grids, _MOST)
    if _encoded(sum(path.stat().st_size for _, path in chosen if path.is_file())) <= budget:
        found = [_unchanged(step, path) for step, path in chosen]
    else:
        found, chosen = _compressed(run, chosen, budget)
    kept = [grid for grid in found if grid is not None]
    if missing := len(found) - len(kept):
        run.left_out.append(f"samples/: {missing} of {len(found)} grids cannot be read, left out.")
    if len(chosen) < len(run.grids):
        run.left_out.append(f"Of {len(run.grids)} sample grids {len(chosen)} are shown.")
    return kept


def picture(path: Path) -> Grid | None:
    """One picture of any kind, as a part of the page."""
    return _unchanged(0, path)


def _encoded(size: int) -> int:
    return size * 4 // 3 + 64


def _unchanged(step: int, path: Path) -> Grid | None:
    try:
        content = path.read_bytes()
        with Image.open(io.BytesIO(content)) as image:
            image.load()  # a file cut short would show half a picture
            width, height = image.size
    except (OSError, ValueError, SyntaxError):
        return None
    return Grid(step, _address(content, "png"), width, height)


def _compressed(
    run: RunFacts, chosen: Sequence[tuple[int, Path]], budget: int
) -> tuple[list[Grid | None], list[tuple[int, Path]]]:
    enough = min(len(chosen), _FEW)
    count, quality, scale = 1, *_LEVELS[-1]
    for quality, scale in _LEVELS:
        # The last grid says how large the others will be: untrained ones are noisier, so 10% more.
        last = next((g for s, p in reversed(chosen) if (g := _webp(s, p, quality, scale))), None)
        count = min(len(chosen), int(budget / (1.1 * len(last.source)))) if last else 1
        if count >= enough:
            break
    shown = spread(chosen, max(1, count))
    found = [_webp(step, path, quality, scale) for step, path in shown]
    total = sum(len(grid.source) for grid in found if grid is not None)
    if total > budget and len(shown) > 1:
        shown = spread(shown, max(1, int(len(shown) * budget / total * 0.95)))
        steps = {step for step, _ in shown}
        found = [grid for grid in found if grid is None or grid.step in steps]
    smaller = "" if scale == 1 else ", at half their size"
    run.left_out.append(f"Sample grids are compressed (WebP, quality {quality}{smaller}).")
    return found, shown


def _webp(step: int, path: Path, quality: int, scale: float) -> Grid | None:
    try:
        with Image.open(path) as image:
            small = image.convert("RGB")
    except (OSError, ValueError, SyntaxError):
        return None
    width, height = small.size
    if scale != 1:
        small = small.resize((max(1, round(width * scale)), max(1, round(height * scale))))
    buffer = io.BytesIO()
    small.save(buffer, format="WEBP", quality=quality, method=2)
    return Grid(step, _address(buffer.getvalue(), "webp"), width, height)


def _address(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
