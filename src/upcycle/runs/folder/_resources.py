"""What a run needs: records, disk and memory; and the energy of a stage, from the processor's own counters (Linux, RAPL)."""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import final

import numpy as np

from upcycle._distinct import distinct
from upcycle.audit.score_audit import MIN_RECORDS
from upcycle.config import Config
from upcycle.data import Dataset
from upcycle.errors import DataError, ResourceError


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


def check_audit_size(dataset: Dataset, non_members: np.ndarray, config: Config) -> None:
    """Raise DataError, before any work, if the coin flips leave too few non-members for the audit at the end."""
    least = max(MIN_RECORDS, 2 * config.audit.folds)
    if len(non_members) < least:
        raise DataError(
            f"non-members for the audit must be at least {least}. "
            f"Got {len(non_members)} of {len(dataset.train)} training images. Add images, or raise audit.non_member_share."
        )
    groups = dataset.train.groups
    if groups is None:
        return
    outside = distinct(groups[non_members])
    inside = len(distinct(groups)) - len(outside)
    if min(inside, len(outside)) < 2:
        raise DataError(
            "patients (groups) for the audit must number two or more on each side of the coin, four in train with two of every "
            f"class at best. Got {inside} members and {len(outside)} kept away. Add patients."
        )


_POWERCAP = Path("/sys/class/powercap")


_EVERY = 60.0  # seconds; a counter of 262 kJ wraps after more than 10 minutes even at 400 W


@final
class EnergyMeter:
    """Joules that all processor packages of this machine have used since the meter was made; other programs are counted too."""

    def __init__(self, folder: Path = _POWERCAP) -> None:
        zones = [zone for zone in sorted(folder.glob("intel-rapl:*")) if zone.name.count(":") == 1]
        self._zones = [zone for zone in zones if _read(zone / "energy_uj") is not None]
        self._last = [_read(zone / "energy_uj") or 0 for zone in self._zones]
        self._microjoules = 0

    def joules(self) -> float | None:
        """Joules so far, None where no counter can be read. To be asked more often than a counter wraps round."""
        for k, zone in enumerate(self._zones):
            now = _read(zone / "energy_uj")
            if now is None:
                return None
            step = now - self._last[k]
            self._microjoules += step if step >= 0 else step + (_read(zone / "max_energy_range_uj") or 0)
            self._last[k] = now
        return self._microjoules / 1e6 if self._zones else None


@contextmanager
def metered(folder: Path = _POWERCAP) -> Iterator[EnergyMeter]:
    """A meter that is asked once a minute while the block runs."""
    meter, done = EnergyMeter(folder), threading.Event()
    if meter.joules() is None:
        yield meter
        return

    def watch() -> None:
        while not done.wait(_EVERY):
            meter.joules()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield meter
    finally:
        done.set()
        thread.join()


def _read(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # since Linux 5.10 only root may read the counters
        return None
