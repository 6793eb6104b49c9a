"""Whether disk and memory suffice for what is planned, asked before work starts."""

from __future__ import annotations

import shutil
from pathlib import Path

from upcycle.errors import ResourceError


def check_disk(out: Path, needed: int) -> None:
    """Raise ResourceError unless the disk of `out` has `needed` bytes free."""
    place = next(p for p in [out, *out.absolute().parents] if p.exists())
    free = shutil.disk_usage(place).free
    if free < needed:
        raise ResourceError(
            f"free disk space must be at least {needed / 1e6:.0f} MB. Got {free / 1e6:.0f} MB at {place}. "
            "Free some or choose another --out."
        )


def check_memory(needed: int) -> None:
    """Raise ResourceError unless about `needed` bytes of memory are free (or under the process's own limit)."""
    from upcycle._machine import available_memory  # loads torch, which reading a run does not need

    free = available_memory()
    if free < needed:
        raise ResourceError(
            f"free memory must be at least {needed / 1e9:.1f} GB for this preset. Got {free / 1e9:.1f} GB. "
            "Use --preset quick, or a smaller bank (--set bank.max_images=...)."
        )
