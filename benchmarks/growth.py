"""How processor time and peak memory grow with records, with the side of images and with classes.

    python -m benchmarks.growth --records 1000 4000 16000 64000     (ten minutes of one core for these, for sides and classes)
    python -m benchmarks.growth --sides 28 64 128
    python -m benchmarks.growth --classes 2 10 100
    python -m benchmarks.growth --million                           (twelve minutes, 2 GB of disk)

Images are those of scikit-learn's digits, enlarged, shifted and under noise, in IDX files. Every case has its own process, which
first does the same on a few images, so that no import is counted; `peak_mb` is the largest resident memory of that process, libraries
and mapped files included. Seconds are those of the processor. An exponent is the slope of their logarithms, `scatter` its standard
error over all turns.

check: what `upcycle check` does. store: reading, coin flips and the private store. teacher: one pass over the members, a small network.
bank: drawing as many images as there are records with a small GAN. statistics: an audit of given scores. attacks: an audit of a
model's answers, with all attacks and controls. copies: 256 images looked up among all.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

BASE: Final = {"records": 4_000, "side": 28, "classes": 10}
AXES: Final = {"records": [1_000, 4_000, 16_000, 64_000], "side": [28, 64, 128], "classes": [2, 10, 100]}
TURNS: Final = 2
MILLION: Final = 1_000_000
_TINY: Final = 2_000
_CHUNK: Final = 8_192
Work = Callable[[], object]


@dataclass(frozen=True)
class Case:
    """One stage, and the images that it works on."""

    stage: str
    records: int
    side: int
    classes: int


def write_images(root: Path, records: int, side: int, classes: int) -> None:
    """Images and labels as IDX files of one split, a block at a time. 2 classes are halves of the digits; 100 are digit and shift."""
    from sklearn.datasets import load_digits

    digits, rng = load_digits(), np.random.default_rng(0)
    small = np.clip(digits.images * (223 / 16), 0, 223).astype(np.uint8)
    places = np.arange(side) * 8 // side
    root.mkdir(parents=True, exist_ok=True)
    with (root / "train-images-idx3-ubyte").open("wb") as images, (root / "train-labels-idx1-ubyte").open("wb") as labels:
        images.write(bytes([0, 0, 8, 3]) + np.array([records, side, side], ">u4").tobytes())
        labels.write(bytes([0, 0, 8, 1]) + np.array([records], ">u4").tobytes())
        for start in range(0, records, _CHUNK):
            row = np.arange(start, min(start + _CHUNK, records))
            which, shift = row % len(small), row // 10 % 10  # the digits go round by ten
            block = small[which][:, places[:, None], places[None]]
            for step in range(1, 10):
                block[shift == step] = np.roll(block[shift == step], (step % 5 - 2, step // 5), (1, 2))
            images.write((block + rng.integers(0, 32, block.shape, np.uint8)).tobytes())
            labels.write(labels_of(digits.target[which], shift, classes).tobytes())


def labels_of(digit: np.ndarray, shift: np.ndarray, classes: int) -> np.ndarray:
    """0 .. classes - 1, uint8 (n,), of digits and shifts (n,)."""
    of = {2: digit // 5, 10: digit, 100: digit * 10 + shift}
    return of[classes].astype(np.uint8)


def check_work(folder: Path, _: Case) -> Work:
    from upcycle.config import DataConfig
    from upcycle.data import check, survey

    return lambda: check(survey(folder / "idx", config=DataConfig(), seed=0))


def store_work(folder: Path, _: Case) -> Work:
    from upcycle.config import DataConfig
    from upcycle.data import draw_members, read, write_store

    def work() -> None:
        dataset = read(folder / "idx", config=DataConfig(), seed=0)
        write_store(folder / "store", dataset, *draw_members(dataset.train, share=0.1, at_least=20, seed=0))

    return work


def teacher_work(folder: Path, case: Case) -> Work:
    import torch

    from upcycle._presets import PRESETS
    from upcycle.data import Store
    from upcycle.nets import Augmentation, classifier_factory
    from upcycle.recycle import Recipe, train_classifier

    torch.set_num_threads(1)
    config = PRESETS["smoke"].teacher.model_copy(update={"batch": 128})

    def work() -> None:
        store = Store(folder / "store")
        members = store.members()
        recipe = Recipe(classifier_factory(config), case.classes, config, Augmentation(2, False, False), budget=len(members))
        train_classifier(members, store.validation(), recipe, seed=0)

    return work


def bank_work(folder: Path, case: Case) -> Work:
    import torch

    from upcycle.config import GanConfig
    from upcycle.generators import GanGenerator, ImageShape
    from upcycle.recycle import Bank, Sampler

    torch.set_num_threads(1)
    generator = GanGenerator(ImageShape(1, case.side, case.classes), GanConfig(width=8, snapshots=1))
    images = np.random.default_rng(0).integers(0, 256, (256, case.side, case.side, 1), np.uint8)
    generator.fit(images, np.arange(256) % case.classes, seed=0, budget=64)
    sampler = Sampler(generator, np.full(case.classes, 1 / case.classes), seed=0)

    def work() -> None:
        with tempfile.TemporaryDirectory(dir=folder) as where:
            for _ in range(2):  # the second one finds all images there, and checks them
                Bank(Path(where), sampler, case.records, (case.side, case.side, 1)).advance(case.records)

    return work


def statistics_work(_: Path, case: Case) -> Work:
    from upcycle.audit import AttackScores, audit_scores

    rng = np.random.default_rng(0)
    members = rng.permutation(np.arange(case.records) < case.records // 2)
    names = ("student", "teacher", "positive control")
    targets = {n: AttackScores({"loss": rng.normal(size=len(members)) + k * members}, members) for k, n in enumerate(names)}
    return lambda: audit_scores(targets).to_json()


def attacks_work(folder: Path, case: Case) -> Work:
    from upcycle.audit import TargetScores, audit_scores
    from upcycle.data import Store
    from upcycle.runs.stages import audit_records

    def work() -> None:
        data, members, _ = audit_records(Store(folder / "store"), 0)
        logits = np.random.default_rng(0).normal(size=(len(data), case.classes)).astype(np.float32)
        audit_scores({"positive control": TargetScores(logits, data.labels, members)}, images=data.images).to_json()

    return work


def copies_work(folder: Path, _: Case) -> Work:
    from upcycle.audit.copies import nearest_two
    from upcycle.data import Store

    def work() -> None:
        images = Store(folder / "store").members().images
        nearest_two(np.random.default_rng(0).integers(0, 256, (256, *images.shape[1:]), np.uint8), images)

    return work


STAGES: Final[Mapping[str, Callable[[Path, Case], Work]]] = {
    "check": check_work,
    "store": store_work,
    "teacher": teacher_work,
    "bank": bank_work,
    "statistics": statistics_work,
    "attacks": attacks_work,
    "copies": copies_work,
}


def measure(case: Case, folder: Path, turns: int = 1) -> dict[str, Any]:
    """Processor seconds of every turn of the case in this process, after the same on few images, and the largest resident memory."""
    with tempfile.TemporaryDirectory() as few:
        tiny = Case(case.stage, _TINY, case.side, case.classes)
        write_images(Path(few) / "idx", tiny.records, tiny.side, tiny.classes)
        store_work(Path(few), tiny)()
        STAGES[case.stage](Path(few), tiny)()
    work, marks = STAGES[case.stage](folder, case), [_spent()]
    for _ in range(turns):
        work()
        marks.append(_spent())
    return {"seconds": np.diff(marks).tolist(), "peak_mb": round(_peak() / 1e6)}


def _peak() -> int:
    """Largest resident memory in bytes. On Linux by /proc: there getrusage also counts what the process held that started this one."""
    status = Path("/proc/self/status")
    if status.exists():
        return 1024 * int(status.read_text().split("VmHWM:")[1].split()[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _spent() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def apart(case: Case, folder: Path, turns: int) -> dict[str, Any]:
    """`measure` in a separate process, on one thread."""
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    command = [sys.executable, "-m", "benchmarks.growth", "--case", json.dumps(asdict(case)), "--folder", str(folder)]
    command += ["--turns", str(turns)]
    done = subprocess.run(command, env={**os.environ, **one}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{case} ended with {done.returncode}:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    seconds = ", ".join(f"{each:.2f}" for each in found["seconds"])
    print(f"{case.stage:10} {case.records:9,} {case.side:4} {case.classes:4} {seconds} s {found['peak_mb']} MB", flush=True)
    return found


def exponent(sizes: Sequence[float], seconds: Sequence[float]) -> tuple[float, float]:
    """Slope of log(seconds) over log(sizes), and its standard error; 0 where there are too few to tell."""
    x, y = np.log(np.asarray(sizes, float)), np.log(np.asarray(seconds, float))
    x, y = x - x.mean(), y - y.mean()
    slope = float(x @ y / (x @ x))
    spare = len(x) - 2
    return slope, math.sqrt(float(((y - slope * x) ** 2).sum()) / spare / float(x @ x)) if spare else 0.0


def grown(axis: str, sizes: Sequence[int], stages: Sequence[str], turns: int) -> list[dict[str, Any]]:
    """A row per stage: seconds of every turn and the peak at every size, and the exponent over all turns."""
    found: dict[str, list[dict[str, Any]]] = {stage: [] for stage in stages}
    for size in sizes:
        shape = {**BASE, axis: size}
        with tempfile.TemporaryDirectory() as where:
            write_images(Path(where) / "idx", shape["records"], shape["side"], shape["classes"])
            if "store" not in stages:
                store_work(Path(where), Case("store", **shape))()
            for stage in sorted(stages, key=list(STAGES).index):
                found[stage].append(apart(Case(stage, **shape), Path(where), turns))
    return [_row(axis, stage, sizes, results) for stage, results in found.items()]


def _row(axis: str, stage: str, sizes: Sequence[int], results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    pairs = [(size, each) for size, found in zip(sizes, results, strict=True) for each in found["seconds"]]
    slope = exponent(*zip(*pairs, strict=True)) if len(sizes) > 1 else ()
    return {
        "axis": axis,
        "stage": stage,
        "sizes": list(sizes),
        "seconds": [round(float(np.median(found["seconds"])), 3) for found in results],
        "peak_mb": [found["peak_mb"] for found in results],
        **{name: round(value, 3) for name, value in zip(("exponent", "scatter"), slope, strict=False)},
        **{name: value for name, value in BASE.items() if name != axis},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for flag, axis in (("records", "records"), ("sides", "side"), ("classes", "classes")):
        parser.add_argument(f"--{flag}", dest=axis, type=int, nargs="*", metavar="N", help=f"default {AXES[axis]}")
    parser.add_argument("--million", action="store_true", help="every stage once on a million records")
    parser.add_argument("--stages", nargs="+", choices=list(STAGES), default=list(STAGES))
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--case", type=json.loads, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        print(json.dumps(measure(Case(**options.case), options.folder, options.turns)))
        return
    from benchmarks._results import MEASURED, write  # torch: not in the processes that are measured

    rows = []
    for axis in AXES:
        if (sizes := getattr(options, axis)) is not None:
            rows += grown(axis, sizes or AXES[axis], options.stages, options.turns)
    if options.million:
        rows += [{**row, "axis": "million"} for row in grown("records", [MILLION], options.stages, 1)]
    print(write("growth.json", [{**row, "commit": MEASURED} for row in rows], same=("axis", "stage")))


if __name__ == "__main__":
    main()
