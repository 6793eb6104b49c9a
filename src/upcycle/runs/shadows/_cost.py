"""What an audit by shadow pipelines will take on this machine, measured before it is announced."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from upcycle.audit import AuditPlan
from upcycle.audit.pipeline_audit import seconds_of_attacks
from upcycle.audit.pipelines import Answers, Design, ask, read_answers, run_first, run_paths
from upcycle.engine import fan_out, workers_of
from upcycle.runs.shadows._pipeline import ShadowPipeline

Say = Callable[[str], None]


_SHARES = (0.03, 0.3)  # of a pipeline's budgets, run to measure what a whole one costs
_OWN_SHARES = (0.01, 0.1)  # of one with the run's own networks, which is many times as long


_FEW = 8  # pipelines per worker below which whole ones are too large a part of the audit to measure with


@dataclass(frozen=True)
class Cost:
    """What an audit will take on this machine."""

    pipelines: int  # in all
    pending: int  # to be run
    workers: int  # pipelines at a time
    seconds_per_pipeline: float  # of work
    seconds_of_attacks: float  # when all are done
    plain: int = 0  # of the pipelines, without canaries
    own: bool = False  # whether networks and budgets are the run's

    @property
    def minutes(self) -> float:
        return (math.ceil(self.pending / self.workers) * self.seconds_per_pipeline + self.seconds_of_attacks) / 60

    def __str__(self) -> str:
        kept, plain = self.pipelines - self.pending, f", {self.plain} of them without canaries" if self.plain else ""
        own = " with the run's own networks" if self.own else ""
        return (
            f"{self.pipelines} pipelines{own}{plain} ({kept} done), {self.workers} at a time, "
            f"{self.seconds_per_pipeline:.0f} s each: about {self.minutes:.1f} min"
        )


def measure_cost(
    pipeline: ShadowPipeline, design: Design, plan: AuditPlan, cache: Path, say: Say = lambda _: None, each: float = 0.0
) -> Cost:
    """What the missing pipelines cost. Of many, the first one of every worker is run and kept: nothing tells better what the
    others will take. Of few, short ones tell. Nothing is measured where the seconds of `each` are known."""
    paths = run_paths(pipeline, design, plan, cache)
    pending = sum(read_answers(path) is None for path in paths)
    workers, answers = workers_of(plan.engine, plan.n_jobs, pending), _first_kept(paths)
    if not each and pending >= _FEW * workers:
        say(f"running the first {workers} of {pending} pipelines, to see what they cost on this machine")
        _short_ones(pipeline, design, plan, workers, [(_shares(pipeline)[0], True)])  # wakes the workers up
        each = float(np.mean(run_first(pipeline, design, plan, cache, workers)))
        pending -= workers
    elif not each and pending:
        say("measuring what a pipeline costs on this machine")
        each, answers = _from_short_ones(pipeline, design, plan, workers)
    attacks = 0.0 if answers is None else seconds_of_attacks(answers.logits, design, plan)
    return Cost(len(paths), pending, workers, each, attacks, len(paths) - len(design.members), pipeline.as_run is not None)


def seconds_of_one(
    pipeline: ShadowPipeline, design: Design, plan: AuditPlan, workers: int
) -> tuple[float, Callable[[], float]]:
    """Seconds of work of one pipeline while `workers` run, from short ones; and what measures those of the attacks."""
    each, answers = _from_short_ones(pipeline, design, plan, min(workers, len(design.members)))
    return each, lambda: 0.0 if answers is None else seconds_of_attacks(answers.logits, design, plan)


def _first_kept(paths: Sequence[Path]) -> Answers | None:
    kept = read_answers(paths[0])
    return None if kept is None else kept.answers


def _from_short_ones(pipeline: ShadowPipeline, design: Design, plan: AuditPlan, workers: int) -> tuple[float, Answers | None]:
    """Seconds of a whole pipeline, from short ones of two lengths: extended linearly, and the questions, whose number no
    length changes, asked once. And the answers of one."""
    shares = _shares(pipeline)
    turns = [(shares[0], False), (shares[0], False), (shares[1], True)]
    _, shorter, longer = _short_ones(pipeline, design, plan, workers, turns)  # the first turn wakes the workers up
    short, long = (float(np.mean([own.training for own in turn])) for turn in (shorter, longer))
    return _whole(short, long, *shares) + float(np.mean([own.asking for own in longer])), longer[0].answers


def _short_ones(
    pipeline: ShadowPipeline, design: Design, plan: AuditPlan, workers: int, turns: Sequence[tuple[float, bool]]
) -> list[list[_Timed]]:
    """Turn after turn, a pipeline of that share of the budgets per worker, side by side, and asked or not."""
    numbers = [k % len(design.members) for k in range(workers)]
    found = []
    for share, asks in turns:
        work = _Short(pipeline.scaled(share), design, plan, asks)
        found.append([timed for _, timed in fan_out(_timed, work, numbers, engine=plan.engine, jobs=workers)])
    return found


def _whole(short: float, longer: float, small: float, larger: float) -> float:
    """Seconds of a whole pipeline from those of two short ones, of these shares of it."""
    return longer + max(longer - short, 0.0) / (larger - small) * (1 - larger)


def _shares(pipeline: ShadowPipeline) -> tuple[float, float]:
    return _SHARES if pipeline.as_run is None else _OWN_SHARES


@dataclass(frozen=True, eq=False)
class _Timed:
    """Seconds that a pipeline took and, where it was asked, all questions to what it left; and the answers."""

    training: float
    asking: float = 0.0
    answers: Answers | None = None


@dataclass(frozen=True, eq=False)
class _Short:
    """A pipeline to be timed; `asks` whether its questions are timed, too."""

    pipeline: ShadowPipeline
    design: Design
    plan: AuditPlan
    asks: bool


def _timed(work: _Short, number: int) -> _Timed:
    design, start = work.design, time.monotonic()
    members = design.members[number]
    parts = work.pipeline(*design.records.given(members), seed=design.seeds[number])
    trained = time.monotonic()
    if not work.asks:
        return _Timed(trained - start)
    answers = ask(parts, design.records, members, work.plan.questions(), seed=0)
    return _Timed(trained - start, time.monotonic() - trained, answers)
