"""The predecessor's greedy grid against successive halving, on one run: rows of selection.json.

    python -m benchmarks.selection RUN [--images 60000] [--grid 21] [--seeds 1 2 3]

RUN must have teacher and generator. Both choose on validation data alone, among the same values, of which the spread has
--grid as in GaFi; greedy pays a whole student (--images) for every value, as GaFi does, halving its short proxies. What a search
costs is counted: images its students saw, and images the generator drew for them, refused ones too. Then whole students of both
choices and of the untuned sampler are trained with other seeds and judged on the run's non-members, which no model and no choice
ever saw; the test split stays closed.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from scipy import stats

from benchmarks._results import write
from benchmarks._students import TalliedSampler, Tally, WholeStudent
from upcycle._settings import with_settings
from upcycle.data import ImageSet
from upcycle.recycle import Candidate, Sampler, Score, Trial, candidates, greedy, halving, score_on, search
from upcycle.runs.stages import Bench, SamplerJudge, choices_of, prepare

Row = dict[str, object]


@dataclass(frozen=True)
class TalliedBench(Bench):
    """A bench whose samplers keep a tally."""

    tally: Tally = field(default_factory=Tally)

    @classmethod
    def of(cls, bench: Bench) -> TalliedBench:
        return cls(**bench.__dict__)

    def sampler(self) -> Sampler:
        return TalliedSampler.of(super().sampler(), self.tally)


@dataclass(frozen=True)
class Found:
    """What a strategy chose and what it cost."""

    strategy: str
    best: Candidate
    trials: int = 0
    images: int = 0
    images_drawn: int = 0
    minutes: float = 0.0


def timed(strategy: str, rounds: Iterator[list[Trial]], tally: Tally) -> Found:
    """What walking `rounds` finds; `tally` is that of their judge."""
    start = time.monotonic()
    found = search(rounds)
    minutes = round((time.monotonic() - start) / 60, 2)
    return Found(strategy, found.best, len(found.trials), found.images, tally.images, minutes)


def strategies(bench: Bench, validation: ImageSet, images: int) -> list[Found]:
    """Untuned, halving and greedy, over the same choices."""
    how, choices = bench.config.tuning, choices_of(bench)
    pool = candidates(choices, how.candidates, bench.config.seed)
    short, whole = TalliedBench.of(bench), TalliedBench.of(bench)
    rounds = halving(pool, SamplerJudge(short, validation), images=how.images, rounds=how.rounds, keep=how.keep)
    grid = greedy(choices, SamplerJudge(whole, validation), images=images)
    return [Found("untuned", pool[0]), timed("halving", rounds, short.tally), timed("greedy", grid, whole.tally)]


def scores_of(
    bench: Bench, choice: Candidate, images: int, seeds: Sequence[int], sets: Sequence[ImageSet]
) -> list[list[Score]]:
    """One row of scores on `sets` for the whole student of every seed."""
    rows = []
    for seed in seeds:
        tuned = replace(bench, config=with_settings(bench.config, {**choice, "seed": seed}))
        with TemporaryDirectory() as folder:
            net = WholeStudent(tuned, images).train(tuned.sampler(), Path(folder))
        rows.append([score_on(net, data, bench.device) for data in sets])
    return rows


def compared(run: Path, images: int, grid: int, seeds: Sequence[int]) -> list[Row]:
    """Rows of the three strategies, greedy last."""
    with prepare(None, run, needs="generator") as opened:
        return compared_on(opened, images, grid, seeds)


def compared_on(bench: Bench, images: int, grid: int, seeds: Sequence[int]) -> list[Row]:
    """As `compared`, on an open run."""
    store = bench.folder.open_store()
    bench = replace(bench, config=with_settings(bench.config, {"tuning.grid": grid}))
    sets, rows, judged = [store.validation(), store.non_members()], list[Row](), dict[str, list[list[Score]]]()
    for found in strategies(bench, sets[0], images):
        print(found, flush=True)
        if (key := str(sorted(found.best.items()))) not in judged:  # equal choices give equal students
            judged[key] = scores_of(bench, found.best, images, seeds, sets)
        about = {"dataset": store.meta.name, "student_images": images, "seeds": list(seeds), "non_members": len(sets[1])}
        rows.append({**about, **asdict(found), "grid": grid, **summary(judged[key])})
    return [{**row, **against(row, rows[-1])} for row in rows]


def summary(scores: Sequence[Sequence[Score]]) -> Row:
    """Means over seeds, and the non-members' scores seed by seed."""
    validation, fresh = zip(*scores, strict=True)
    return {
        "validation_cas": statistics.fmean(score.accuracy for score in validation),
        "non_member_cas": statistics.fmean(score.accuracy for score in fresh),
        "non_member_cas_by_seed": [score.accuracy for score in fresh],
        "non_member_log_likelihood": statistics.fmean(score.log_likelihood for score in fresh),
        "non_member_log_likelihood_by_seed": [score.log_likelihood for score in fresh],
    }


def against(row: Row, greedy_row: Row) -> Row:
    """A strategy compared with greedy: shares of its cost, and how much better its students are, with 95 % intervals over seeds."""
    shares = {f"share_of_{name}": row[name] / greedy_row[name] for name in ("images", "images_drawn")}  # type: ignore[operator]
    keys = {"points_over_greedy": ("non_member_cas", 100), "log_likelihood_over_greedy": ("non_member_log_likelihood", 1)}
    gains = {}
    for name, (key, unit) in keys.items():
        differences = np.subtract(row[f"{key}_by_seed"], greedy_row[f"{key}_by_seed"]) * unit  # type: ignore[arg-type]
        gains[name] = interval(differences)
    return {**shares, **gains}


def interval(values: np.ndarray) -> list[float]:
    """Mean of paired differences and its 95 % interval by Student's t; the mean alone for fewer than two."""
    mean = float(values.mean())
    if len(values) < 2:
        return [mean]
    half = float(stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5)
    return [mean, mean - half, mean + half]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--images", type=int, default=60_000, help="seen by whole students: greedy's and the judged ones")
    parser.add_argument("--grid", type=int, default=21, help="values of the spread")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--dry-run", action="store_true", help="print rows, write nothing")
    arguments = parser.parse_args()
    rows = compared(arguments.run, arguments.images, arguments.grid, arguments.seeds)
    print(*rows, sep="\n", flush=True)
    if not arguments.dry_run:
        print(write("selection.json", rows, same=("dataset", "strategy")))


if __name__ == "__main__":
    main()
