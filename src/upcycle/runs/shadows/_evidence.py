"""The evidence stage of a run: shadow pipelines of its recipe with canaries, as many as the level or the time allows."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import asdict, dataclass, replace
from typing import Final

from joblib import cpu_count

from upcycle._files import read_record, write_record
from upcycle.audit import AuditInputError, AuditPlan, plan_for
from upcycle.audit.pipelines import make_design
from upcycle.config import Config
from upcycle.data import ImageSet, Store
from upcycle.errors import DamagedFileError, RunFolderError
from upcycle.runs.folder import stage_records
from upcycle.runs.shadows._audit import audit_bench, run_pipeline, run_pool, secret_seed
from upcycle.runs.shadows._cost import seconds_of_one
from upcycle.runs.shadows._pipeline import ShadowPipeline
from upcycle.runs.stages import Bench, Facts, check_own_absent

TRAINED: Final = frozenset({"views", "cleaning", "generator", "gate", "tuning", "student", "baseline", "control", "plain"})
_MOST, _LEAST = 32, 4  # pipelines of the automatic level; fewer cannot be attacked by means of one another, and one is run
_LEAST_SHARE: Final = 0.6  # of their budgets, with which four pipelines still tell more than a single whole one
_MANY = 16  # pipelines from which those without canaries are a small part of the work
_CHOICE: Final = "choice.json"
_LOG = logging.getLogger("upcycle")


@dataclass(frozen=True)
class Choice:
    """How much evidence a run ends in.

    Attributes:
        budget: of `plan_for`, or "none".
        pipelines: how many.
        minutes: that they are expected to take.
        why: in words.
        networks: "small", or the run's "own".
        each: seconds of a pipeline.
        share: of the budgets of a whole one.
    """

    budget: str
    pipelines: int
    minutes: float
    why: str
    networks: str = "small"
    each: float = 0.0
    share: float = 1.0


def evidence_stage(bench: Bench, store: Store) -> Facts:
    """Audit the recipe by shadow pipelines at the level of `config.evidence`; the same choice again where the stage goes on.

    A set that cannot be audited so ends without; the reason is kept, and the run's own audit stands alone.
    """
    pool, pipeline = run_pool(store), run_pipeline(bench, store, bench.config.evidence_networks)
    choice = _kept_choice(bench) or _on(bench.config.evidence_networks, _choose(bench, pipeline, pool))
    write_record(bench.folder.stage("evidence") / _CHOICE, asdict(choice))
    bench.display.note(f"evidence: {choice.why}")
    if choice.budget == "none":
        return {**asdict(choice), "verdict": None}
    start, pipeline = time.monotonic(), pipeline if choice.share == 1 else pipeline.scaled(choice.share)
    found = audit_bench(bench, store, pipeline, _plan(bench, choice), say=bench.display.note, each=choice.each)
    return {**asdict(choice), "verdict": found.verdict, "minutes_taken": (time.monotonic() - start) / 60}


def _plan(bench: Bench, choice: Choice) -> AuditPlan:
    plan = plan_for(choice.budget, seed=secret_seed(bench), n_jobs=_workers(bench.config))
    plain = _plain(choice.pipelines) if bench.config.evidence == "auto" else plan.without_canaries
    return replace(plan, pipelines=choice.pipelines, without_canaries=plain)


def _plain(pipelines: int) -> int:
    """How many of these pipelines with canaries run again without, to see what canaries cost."""
    return plan_for("standard").without_canaries if pipelines >= _MANY else 0


def _kept_choice(bench: Bench) -> Choice | None:
    """What was chosen before the stage was stopped; None where nothing was, or for other networks, or its note is damaged,
    which is said."""
    path = bench.folder.stage("evidence") / _CHOICE
    if not path.exists():
        return None
    try:
        found = Choice(**{name: value for name, value in read_record(path).items() if name in Choice.__annotations__})
    except (DamagedFileError, TypeError) as error:
        _LOG.warning("the level of evidence is chosen again: %s", error)
        return None
    return found if found.networks == bench.config.evidence_networks else None


def _choose(bench: Bench, pipeline: ShadowPipeline, pool: ImageSet) -> Choice:
    level = bench.config.evidence
    if level == "none":
        return Choice("none", 0, 0.0, "none was asked for")
    seed = secret_seed(bench)
    try:
        if pipeline.as_run is None:
            check_own_absent(bench.folder.root)
        plan = plan_for("quick" if level == "auto" else level, seed=seed)
        design = make_design(pool, plan)
    except (AuditInputError, RunFolderError) as error:
        return Choice("none", 0, 0.0, f"shadow pipelines cannot be run on this set: {error.problems[0]}")
    workers = _workers(bench.config)
    seconds, attacks = seconds_of_one(pipeline, design, plan, workers)
    if level != "auto":
        minutes = _minutes(plan.pipelines + plan.without_canaries, seconds, workers) + attacks() / 60
        why = f"{level}, {plan.pipelines} shadow pipelines, about {minutes:.1f} min"
        return Choice(level, plan.pipelines, minutes, why, each=seconds)
    choice = _within(_trained_seconds(bench), seconds, workers, may_shrink=pipeline.as_run is None)
    return _with_attacks(choice, attacks() / 60) if choice.pipelines == 1 else choice


def _with_attacks(choice: Choice, minutes: float) -> Choice:
    """The attacks on a single pipeline learn from its own records, and take a good part of its time where these are many."""
    return replace(choice, minutes=choice.minutes + minutes, why=f"{choice.why}, and {minutes:.1f} min of attacks")


def _on(networks: str, choice: Choice) -> Choice:
    """The choice with the networks that it was made for, and that said where they are not the usual ones."""
    said = "; the networks are the run's own" if networks == "own" else ""
    return replace(choice, networks=networks, why=f"{choice.why}{said}")


def _within(allowed: float, seconds: float, workers: int, *, may_shrink: bool = True) -> Choice:
    """As many pipelines as `allowed` seconds hold, an even number of 4 to 32; else four that train a little less, if they may
    shrink; else one; else none."""
    room = int(allowed / seconds) * workers
    fitting = [count for count in range(_LEAST, _MOST + 1, 2) if count + _plain(count) <= room]
    trained = f"at most as long as the training took, {allowed / 60:.1f} min"
    share = 1.0 if fitting else math.floor(100 * allowed / (60 * _minutes(_LEAST, seconds, workers))) / 100
    if fitting or (may_shrink and share >= _LEAST_SHARE):
        count, each = (fitting or [_LEAST])[-1], seconds * share
        minutes = _minutes(count + _plain(count), each, workers)
        less = "" if fitting else f" with {share:.0%} of their budgets"
        return Choice(
            "standard",
            count,
            minutes,
            f"{count} shadow pipelines{less}, about {minutes:.1f} min ({trained})",
            each=each,
            share=share,
        )
    if seconds > allowed:
        took = f"one shadow pipeline takes {seconds / 60:.1f} min, and the training took {allowed / 60:.1f}"
        return Choice("none", 0, 0.0, f"left out: {took}. --evidence quick runs it")
    why = f"quick, one shadow pipeline, about {seconds / 60:.1f} min ({trained})"
    return Choice("quick", 1, seconds / 60, why, each=seconds)


def _minutes(pipelines: int, seconds: float, workers: int) -> float:
    return -(-pipelines // workers) * seconds / 60


def _trained_seconds(bench: Bench) -> float:
    records = stage_records(bench.folder.private)
    return sum(record.seconds for name, record in records.items() if name in TRAINED or name.startswith("teacher"))


def _workers(config: Config) -> int:
    return config.threads or int(cpu_count(only_physical_cores=True))
