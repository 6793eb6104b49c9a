"""The command line of the harnesses."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from benchmarks._results import MEASURED, write
from benchmarks.reliability._cost import cost
from benchmarks.reliability._damage import damage
from benchmarks.reliability._kill import kill
from benchmarks.reliability._memory import memory
from benchmarks.reliability._power import power
from benchmarks.reliability._soak import soak
from benchmarks.reliability._stop import stops
from benchmarks.reliability._tiny import RICH, STANDARD, warm, write_data

Rows = Iterable[dict[str, Any]]
FEW = 12  # points of a harness without --full


def _each(harness: Callable[..., dict[str, Any]], data: Path, folder: Path, most: int | None) -> Rows:
    return (harness(case, data, folder / case.name, most) for case in (STANDARD, RICH))


HARNESSES: dict[str, Callable[[Path, Path, int | None], Rows]] = {
    "kill": lambda data, folder, most: _each(kill, data, folder, most),
    "power": lambda data, folder, most: _each(power, data, folder, most),
    "damage": lambda data, folder, most: damage(STANDARD, data, folder, most),
    "stop": lambda data, folder, most: stops(STANDARD, data, folder, most or 30),
    "soak": lambda data, folder, most: soak(STANDARD, data, folder, 1000 if most is None else 10 * most),
    "memory": lambda _, folder, most: memory(folder, most),
    "cost": lambda _, folder, most: cost(folder, whole=most is None),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reliability", description=__doc__)
    parser.add_argument("harnesses", nargs="*", choices=[*HARNESSES, []], help="which ones; all by default")
    parser.add_argument("--full", action="store_true", help="every point: hours")
    parser.add_argument("--points", type=int, default=FEW, help="points of each harness without --full")
    arguments = parser.parse_args()
    warm()
    for name in arguments.harnesses or HARNESSES:
        with tempfile.TemporaryDirectory(prefix=f"{name}-") as place:
            data = write_data(Path(place))
            for row in HARNESSES[name](data, Path(place) / "runs", None if arguments.full else arguments.points):
                print(row, flush=True)
                write("reliability.json", [row | {"commit": MEASURED}], same=("harness", "case", "what"))


if __name__ == "__main__":
    main()
