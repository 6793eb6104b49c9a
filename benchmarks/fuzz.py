"""Give damaged and hostile bytes to every reader and loader: each must end in a value or in lines, within seconds and memory.

    python -m benchmarks.fuzz --minutes 2            (all targets; --minutes 60 for an hour)
    python -m benchmarks.fuzz --targets scores program --minutes 5

Guided by coverage where `atheris` is installed (pip install atheris), by Hypothesis elsewhere. What was found interesting stays
in benchmarks/corpus, one small archive per target, and is where the next call goes on. A finding is a traceback, more than five
seconds, or more than 500 MB of memory beyond what the process has.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, final

from benchmarks._mutate import mutated, packed, unpacked

CORPUS = Path(__file__).parent / "corpus"
_SECONDS, _MEMORY = 5.0, 500  # per input; MB
_LONGEST = 2**18  # bytes of an input; whole files of every kind are shorter
_KEPT, _KEPT_BYTES = 150, 4_096  # corpus files kept of a target, and their largest size
_INSTRUMENTED = ["upcycle", "zipfile", "yaml", "pydicom", "nibabel", "csv", "numpy.lib", "gzip", "PIL", "json", "pickletools"]


@final
class Watch:
    """Runs a target on one input after another and keeps what went wrong, one example for each place in the code."""

    def __init__(self, name: str, run: Callable[[bytes, Path], None], folder: Path) -> None:
        self.name, self._run, self._folder = name, run, folder
        self.executions, self.slowest, self.findings = 0, 0.0, dict[str, dict[str, Any]]()
        self._first = _peak_mb()
        (folder / "work").mkdir(exist_ok=True)

    def __call__(self, data: bytes) -> None:
        from upcycle.errors import UpcycleError

        self.executions += 1
        before, peak = time.process_time(), _peak_mb()  # the machine may have other things to do
        try:
            self._run(data, self._folder / "work")
        except UpcycleError as error:
            if any(not line.isprintable() or not line for line in error.problems):
                self._found("a line that cannot be printed", data, str(error))
        except Exception as error:
            self._found(_place(error), data, f"{type(error).__name__}: {error}")
        seconds, grown = time.process_time() - before, _peak_mb() - peak
        self.slowest = max(self.slowest, seconds)
        if seconds > _SECONDS:
            self._found(f"{seconds:.0f} seconds", data, "")
        if grown > _MEMORY:
            self._found(f"{grown:.0f} MB", data, "")

    def _found(self, where: str, data: bytes, said: str) -> None:
        if where not in self.findings:
            path = self._folder / f"finding-{len(self.findings)}"
            path.write_bytes(data)
            self.findings[where] = {"where": where, "said": said[:200], "input": str(path)}

    def row(self, engine: str, seconds: float) -> dict[str, Any]:
        return {
            **{"harness": "fuzz", "target": self.name, "engine": engine, "executions": self.executions},
            **{
                "seconds": round(seconds, 1),
                "cpu_seconds": round(time.process_time(), 1),
                "slowest_seconds": round(self.slowest, 2),
            },
            **{"memory_mb": round(_peak_mb() - self._first), "findings": list(self.findings.values())},
        }


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _place(error: BaseException) -> str:
    """Where in our code an error came from; where it was raised, if that is elsewhere."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if f"{Path('src') / 'upcycle'}" in frame.filename]
    frame = (ours or frames)[-1]
    return f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno} {frame.name}"


def seeds_of(name: str) -> list[bytes]:
    """Whole files, and what earlier calls found interesting."""
    from benchmarks._fuzz_targets import TARGETS

    kept = CORPUS / f"{name}.zip"
    return [*TARGETS[name].seeds(), *([content for _, content in unpacked(kept.read_bytes())] if kept.exists() else [])]


def guided(name: str, seconds: float, folder: Path) -> None:
    """Fuzz one target by atheris; ends the process. The row lies in `folder`/row.json, the corpus in `folder`/corpus."""
    import atheris

    with atheris.instrument_imports(include=_INSTRUMENTED):
        from benchmarks._fuzz_targets import TARGETS

        seeds = seeds_of(name)
        Watch(name, TARGETS[name].run, folder)(seeds[0])  # a target imports what it needs when it is first run
    corpus = folder / "corpus"
    corpus.mkdir(parents=True)
    for k, seed in enumerate(seeds):
        (corpus / f"seed-{k}").write_bytes(seed)
    watch, start = Watch(name, TARGETS[name].run, folder), time.monotonic()

    def one(data: bytes) -> None:
        watch(data)
        if watch.executions % 50 == 0:
            (folder / "row.json").write_text(json.dumps(watch.row("atheris", time.monotonic() - start)))

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        return mutated(data, random.Random(seed), lambda part: atheris.Mutate(part, max(len(part) + 64, 64)))[:most]

    flags = [
        f"-max_total_time={seconds:.0f}",
        "-rss_limit_mb=8000",
        "-timeout=120",
        f"-max_len={_LONGEST}",
        "-print_final_stats=1",
        f"-artifact_prefix={folder}/",
    ]
    atheris.Setup([sys.argv[0], *flags, str(corpus)], one, custom_mutator=mutate)
    atheris.Fuzz()


def unguided(name: str, seconds: float, folder: Path, *, examples: int | None = None) -> dict[str, Any]:
    """Fuzz one target by Hypothesis for `seconds`, or for a number of examples."""
    from hypothesis import HealthCheck, given, settings
    from hypothesis import strategies as st

    from benchmarks._fuzz_targets import TARGETS

    seeds = seeds_of(name)
    watch, start = Watch(name, TARGETS[name].run, folder), time.monotonic()
    for seed in seeds:
        watch(seed)

    @settings(max_examples=examples or 200, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(seeds), st.randoms(use_true_random=False), st.integers(1, 4))
    def attempt(data: bytes, rng: random.Random, times: int) -> None:
        for _ in range(times):
            data = mutated(data, rng)
        watch(data)

    attempt()
    while examples is None and time.monotonic() - start < seconds:
        attempt()
    return watch.row("hypothesis", time.monotonic() - start)


def keep(name: str, corpus: Path) -> None:
    """Keep the small files of a corpus, the smallest first, as one archive."""
    from benchmarks._fuzz_targets import TARGETS

    seeds = set(TARGETS[name].seeds())
    found = sorted({path.read_bytes() for path in corpus.iterdir()} - seeds, key=lambda data: (len(data), data))
    small = [data for data in found if len(data) <= _KEPT_BYTES][:_KEPT]
    if small:
        import zipfile

        CORPUS.mkdir(exist_ok=True)
        parts = [(f"{k:03}", data) for k, data in enumerate(small)]
        (CORPUS / f"{name}.zip").write_bytes(packed(parts, zipfile.ZIP_DEFLATED))


def fuzzed(targets: list[str], seconds: float, *, keep_corpus: bool) -> Iterator[dict[str, Any]]:
    """A row for every target, each in a separate process."""
    from benchmarks._results import MEASURED

    for name in targets:
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "benchmarks.fuzz", "--one", name, "--seconds", str(seconds), "--folder", folder]
            done = subprocess.run(command, capture_output=True, text=True, errors="replace")
            path = Path(folder) / "row.json"
            row = json.loads(path.read_text()) if path.exists() else {"harness": "fuzz", "target": name, "executions": 0}
            if done.returncode:
                last = done.stderr.strip().splitlines()[-1:] or [""]
                last_input = next(
                    (str(path) for kind in ("crash", "timeout", "oom") for path in Path(folder).glob(f"{kind}-*")), None
                )
                died = {"where": f"process ended by {done.returncode}", "said": last[0][:200], "input": last_input}
                row.setdefault("findings", []).append(died)
            row |= {"coverage": _coverage(done.stderr), "commit": MEASURED}
            for finding in row.get("findings", []):
                finding["input"] = _shown(finding.get("input"))
            if keep_corpus and (Path(folder) / "corpus").exists():
                keep(name, Path(folder) / "corpus")
            yield row


def _coverage(text: str) -> int | None:
    """Edges that libFuzzer has seen, from its last line about them."""
    found = [line.split("cov: ")[1].split()[0] for line in text.splitlines() if "cov: " in line]
    return int(found[-1]) if found else None


def _shown(path: str | None) -> str:
    return "" if path is None or not Path(path).exists() else Path(path).read_bytes()[:2_000].hex()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5.0, help="in all, shared equally by the targets")
    parser.add_argument("--targets", nargs="*", help="default: all")
    parser.add_argument("--keep", action="store_true", help="keep what is interesting in benchmarks/corpus")
    parser.add_argument("--out", type=Path, help="write the rows here (default: benchmarks/results/fuzz.json)")
    for hidden in ("--one", "--folder"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        _work(arguments.one, arguments.seconds, Path(arguments.folder))
        return
    from benchmarks._fuzz_targets import names

    targets = arguments.targets or list(names())
    rows = []
    for row in fuzzed(targets, 60 * arguments.minutes / len(targets), keep_corpus=arguments.keep):
        rows.append(row)
        print(json.dumps(row), flush=True)
        _write(arguments.out, rows)
    open_ones = sum(len(row["findings"]) for row in rows)
    print(f"{sum(row['executions'] for row in rows):,} executions, {open_ones} findings")
    sys.exit(1 if open_ones else 0)


def _write(out: Path | None, rows: list[dict[str, Any]]) -> None:
    """After every target: an hour may be cut short."""
    if out is not None:
        out.write_text(json.dumps(rows, indent=1))
        return
    from benchmarks._results import write

    write("fuzz.json", rows, same=("target",))


def _work(name: str, seconds: float, folder: Path) -> None:
    if find_spec("atheris"):
        guided(name, seconds, folder)
    else:
        (folder / "row.json").write_text(json.dumps(unguided(name, seconds, folder)))


if __name__ == "__main__":
    main()
