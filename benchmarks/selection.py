"""The predecessor's greedy grid against successive halving, on one run: rows of selection.json.

    python -m benchmarks.selection RUN [--images 60000] [--seeds 0 1 2]

RUN must have teacher and generator. Both choose on validation data alone; greedy pays a whole student (--images) for every value
of its grid, as GaFi does, halving its short proxies. Then whole students of both choices and of the untuned sampler are trained
with other seeds and judged on the run's non-members, which no model and no choice ever saw; the test split stays closed.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks._results import write
from upcycle._settings import with_settings
from upcycle.data import ImageSet
from upcycle.recycle import Candidate, Proxy, Search, Trial, candidates, greedy, halving, score_on, search
from upcycle.runs._open import open_bench
from upcycle.runs._steps import Bench
from upcycle.runs._tune import SamplerJudge, choices_of


@dataclass(frozen=True)
class Found:
    """What a strategy chose and what it cost."""

    strategy: str
    best: Candidate
    trials: int
    images: int
    minutes: float


def timed(strategy: str, rounds: Iterator[list[Trial]]) -> Found:
    start = time.monotonic()
    found: Search = search(rounds)
    return Found(strategy, found.best, len(found.trials), found.images, round((time.monotonic() - start) / 60, 2))


def strategies(bench: Bench, judge: SamplerJudge, images: int) -> list[Found]:
    """Untuned, halving and greedy, over the same choices."""
    how, choices = bench.config.tuning, choices_of(bench)
    pool = candidates(choices, how.candidates, bench.config.seed)
    return [
        Found("untuned", pool[0], 0, 0, 0.0),
        timed("halving", halving(pool, judge, images=how.images, rounds=how.rounds, keep=how.keep)),
        timed("greedy", greedy(choices, judge, images=images)),
    ]


def student_scores(bench: Bench, candidate: Candidate, images: int, seed: int, sets: list[ImageSet]) -> list[float]:
    """Accuracy on each of `sets` of a whole student of `candidate`."""
    tuned = replace(bench, config=with_settings(bench.config, {**candidate, "seed": seed}))
    proxy = Proxy(tuned.recipe(images, tuned.augmentation()), tuned.distillation(), refresh=tuned.config.bank.refresh)
    net = proxy.train(tuned.sampler(), tuned.labeller(), images, seed=seed)
    return [score_on(net, data, bench.device).accuracy for data in sets]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--images", type=int, default=60_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    arguments = parser.parse_args()
    bench, store = open_bench(arguments.run)
    found = strategies(bench, SamplerJudge(bench, store.validation()), arguments.images)
    print(*found, sep="\n", flush=True)
    sets = [store.validation(), store.non_members()]
    rows = []
    for choice in found:
        columns = [student_scores(bench, choice.best, arguments.images, seed, sets) for seed in arguments.seeds]
        validation, fresh = zip(*columns, strict=True)
        rows.append(
            {
                "dataset": store.meta.name,
                **choice.__dict__,
                "student_images": arguments.images,
                "seeds": arguments.seeds,
                "validation_cas": statistics.fmean(validation),
                "non_member_cas": statistics.fmean(fresh),
                "non_member_cas_by_seed": list(fresh),
            }
        )
        print(rows[-1], flush=True)
    print(write("selection.json", rows, same=("dataset", "strategy")))


if __name__ == "__main__":
    main()
