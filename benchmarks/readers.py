"""Whether anything is read as what it is not, and how long a check of many files takes.

    python -m benchmarks.readers                                   (ten minutes on two quiet cores)
    python -m benchmarks.readers --mixtures 0                      the check alone
    python -m benchmarks.readers --images 0 --readers npz dicom    mixtures of some readers; rows of the others stay

Mixtures: data sets with random mixtures of quirks in every format; each must give exactly the images, labels, splits and patients that were
written, or a problem or note that names each difference. `silent` counts those that do neither; their seeds are listed.
Check: `upcycle check` of PNG files against opening and decoding the same files with Pillow, each in a separate process, in turns. Seconds
are those of the processor; `peak_mb` is the largest resident memory, `peak_mb_tenth` that of a tenth of the files.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image

from benchmarks._results import write
from tests.data.readers.mixtures import WRITERS, judge

SHARES = {  # of all mixtures: more of the formats that are quick to write
    **{"folder": 0.13, "table": 0.13, "npz": 0.2, "idx": 0.12, "own": 0.18, "torch": 0.1},
    **{"hugging_face": 0.06, "dicom": 0.04, "nifti": 0.04},
}
DECODE = """
import sys
from pathlib import Path
import numpy as np
from PIL import Image
for path in Path(sys.argv[1]).rglob("*.png"):
    with Image.open(path) as image:
        np.asarray(image)
"""


def mixtures(reader: str, count: int) -> dict[str, object]:
    """One row: how `count` mixtures of a reader were taken."""
    taken: Counter[str] = Counter()
    silent = []
    start = time.perf_counter()
    for seed in range(count):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder) / "set"
            root.mkdir()
            try:
                taken[judge(WRITERS[reader](Random(seed), root))] += 1
            except AssertionError:
                silent.append(seed)
    row = {
        "what": "mixtures",
        "reader": reader,
        "mixtures": count,
        **{word: taken[word] for word in ("exact", "said", "refused")},
    }
    return row | {"silent": len(silent), "silent_seeds": silent, "seconds": round(time.perf_counter() - start, 1)}


def write_files(root: Path, count: int, side: int, classes: int = 10) -> Path:
    """`count` grey PNG files of noise in class folders."""
    rng = np.random.default_rng(0)
    for k in range(count):
        folder = root / f"class{k % classes}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (side, side), dtype=np.uint8)).save(folder / f"{k:06}.png")
    return root


def spent(command: list[str]) -> tuple[float, float]:
    """Processor seconds and peak memory in MB of a process."""
    process = os.spawnv(os.P_NOWAIT, sys.executable, [sys.executable, *command])
    _, status, usage = os.wait4(process, 0)
    if status:
        raise SystemExit(f"{command} ended with {status}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1e3


def check_row(count: int, side: int, turns: int = 3) -> dict[str, object]:
    """One row: the lowest times of some turns."""
    with tempfile.TemporaryDirectory() as folder:
        root, tenth = write_files(Path(folder) / "all", count, side), write_files(Path(folder) / "tenth", count // 10, side)
        decode, checked = [], []
        for _ in range(turns):
            decode.append(spent(["-c", DECODE, str(root)]))
            checked.append(spent(["-m", "upcycle", "check", str(root)]))
        small = spent(["-m", "upcycle", "check", str(tenth)])
    seconds, bare = min(s for s, _ in checked), min(s for s, _ in decode)
    return {
        **{"what": "check", "reader": "folder", "images": count, "side": side},
        **{"decode_seconds": round(bare, 2), "check_seconds": round(seconds, 2), "ratio": round(seconds / bare, 2)},
        **{"peak_mb": round(max(m for _, m in checked), 1), "peak_mb_tenth": round(small[1], 1)},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mixtures", type=int, default=2100, help="of all readers")
    parser.add_argument("--readers", nargs="+", choices=list(WRITERS), default=list(SHARES))
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--side", type=int, default=28)
    options = parser.parse_args()
    warnings.simplefilter("error")
    if "hugging_face" in options.readers:
        import datasets

        datasets.disable_progress_bars()
    for reader in options.readers if options.mixtures else []:
        write("readers.json", [mixtures(reader, round(options.mixtures * SHARES[reader]))], same=("what", "reader"))
    if options.images:
        write("readers.json", [check_row(options.images, options.side)], same=("what", "reader"))


if __name__ == "__main__":
    main()
