"""`upcycle audit RUN --budget`: shadow pipelines of a run's own recipe, on the run's own records, beside the finished run."""

from __future__ import annotations

import json
import math
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from joblib import Parallel, cpu_count, delayed, parallel_config

from upcycle.audit import AuditPlan, Design, PipelineAudit, audit, check_pipeline_audit, make_design, plan_for, run_paths
from upcycle.audit._questions import Answers, ask
from upcycle.audit._shadows import read_answers, run_first
from upcycle.audit._streams import seconds_alone
from upcycle.data import ImageSet, Store
from upcycle.dp import DpSettings, need_extra
from upcycle.errors import RunFolderError
from upcycle.release import SUMS, write_checksums
from upcycle.report import render_pipeline_audit
from upcycle.runs._at_risk import AT_RISK, write_at_risk
from upcycle.runs._folder import only_one, read_config, write_json, write_text
from upcycle.runs._publish import public_facts
from upcycle.runs._shadow_facts import PIPELINES
from upcycle.runs._shadow_pipeline import ShadowPipeline, shadow_config
from upcycle.runs._stages import MANIFEST

Say = Callable[[str], None]
_SHARES = (0.03, 0.3)  # of a pipeline's budgets, run to measure what a whole one costs
_FEW = 8  # pipelines per worker below which whole ones are too large a part of the audit to measure with
_ATTACK_SECONDS = 3.3e-7  # per pair of pipelines, record, view and class; all attacks on all targets
PAGE = "pipeline.html"  # beside its JSON in private/audit


@dataclass(frozen=True)
class Cost:
    """What an audit will take on this machine; `plain` of its pipelines run without canaries."""

    pipelines: int
    pending: int
    workers: int
    seconds_per_pipeline: float
    seconds_of_attacks: float
    plain: int = 0

    @property
    def minutes(self) -> float:
        return (math.ceil(self.pending / self.workers) * self.seconds_per_pipeline + self.seconds_of_attacks) / 60

    def __str__(self) -> str:
        kept, plain = self.pipelines - self.pending, f", {self.plain} of them without canaries" if self.plain else ""
        return (
            f"{self.pipelines} pipelines{plain} ({kept} done), {self.workers} at a time, "
            f"{self.seconds_per_pipeline:.0f} s each: about {self.minutes:.1f} min"
        )


def audit_run(
    root: Path, budget: str, *, jobs: int = 0, early_look: bool = False, dp: DpSettings | None = None, say: Say = lambda _: None
) -> PipelineAudit:
    """Audit the recipe of the run in `root` by shadow pipelines, or go on with it; says its cost before it starts.
    `dp` adds classifiers by DP-SGD to every pipeline; `early_look` stops half-way if the student leaks by then.

    Writes private/audit/pipeline.json, pipeline.html, pipeline_scores.npz, at_risk.csv and the runs themselves (shadows),
    adds the public half to release/audit.json where the run has been released, and writes its reports anew. Canaries are
    drawn in memory only: neither the store nor any released model ever holds one. Raises RunFolderError for a folder
    without a finished store, ConfigError for `dp` without the extra [dp].
    """
    if dp is not None:
        need_extra()
    if not (root / "config.yaml").exists():
        raise RunFolderError(f"RUN must be the folder of a run. Got {root}. Make one with upcycle run DATA --out {root}.")
    config, store = read_config(root / "config.yaml"), Store(root / "private" / "store")
    folder = root / "private" / "audit"
    folder.mkdir(exist_ok=True)
    with only_one(root):
        plan = plan_for(budget, seed=_secret(folder / "secret.json"), n_jobs=jobs)
        plan = replace(plan, look=plan.pipelines // 2) if early_look else plan
        pool = run_pool(store)
        small, classes = shadow_config(config, store.meta.size), len(store.meta.class_names)
        pipeline = replace(ShadowPipeline(store.validation(), classes, small), dp=dp)
        found = audit_pool(pipeline, pool, plan, folder / "shadows", say)
        facts = found.to_json()
        check_pipeline_audit(facts)
        write_json(folder / PIPELINES, facts)
        write_text(folder / PAGE, render_pipeline_audit(facts, title=f"{store.meta.name}: {config.preset} run"))
        np.savez_compressed(folder / "pipeline_scores.npz", **found.arrays)  # type: ignore[arg-type]
        write_at_risk(folder / AT_RISK, found, pool, store)
        _publish(root)
    return found


def _publish(root: Path) -> None:
    """Tell the release and the reports of a run what the pipelines found, where the run has them."""
    from upcycle.runs._evidence import report_stage
    from upcycle.runs._open import open_bench

    release, private = root / "release", root / "private"
    if (release / "audit.json").exists():
        known = json.loads((release / "audit.json").read_text(encoding="utf-8"))
        taken = {"accepted_risk": known["accepted_risk"]} if "accepted_risk" in known else {}
        write_json(release / "audit.json", {**(public_facts(private)[0] or known), **taken})
    if (private / "report" / MANIFEST).exists():
        report_stage(*open_bench(root, needs="report"))
    if (release / SUMS).exists():
        write_checksums(release)


def audit_pool(pipeline: ShadowPipeline, pool: ImageSet, plan: AuditPlan, cache: Path, say: Say) -> PipelineAudit:
    """`audit` with its cost measured and said beforehand, and a line after every finished pipeline."""
    cost = measure_cost(pipeline, make_design(pool, plan), plan, cache, say)
    early = f", or half of it if {plan.look} pipelines show a leak" if plan.look else ""
    say(f"audit {plan.budget}: {cost}{early}")
    start, worked = time.monotonic(), list[float]()  # a look reports its own pipelines only, and some of them may be kept

    def report(_: int, __: int, seconds: float) -> None:
        worked.append(seconds)
        left = cost.pending - len(worked)
        minutes = (float(np.mean(worked)) * left / cost.workers + cost.seconds_of_attacks) / 60
        say(f"pipeline {cost.pipelines - left} of {cost.pipelines}, {minutes:.1f} min left")

    found = audit(pipeline, pool, plan, cache=cache, report=report)
    say(f"took {(time.monotonic() - start) / 60:.1f} min, expected {cost.minutes:.1f}")
    return found


def measure_cost(pipeline: ShadowPipeline, design: Design, plan: AuditPlan, cache: Path, say: Say = lambda _: None) -> Cost:
    """What the missing pipelines cost. Of many, the first one of every worker is run and kept: nothing tells better what the
    others will take. Of few, short ones tell."""
    paths = run_paths(pipeline, design, plan, cache)
    pending = sum(read_answers(path) is None for path in paths)
    workers, each = max(1, min(plan.n_jobs or cpu_count(only_physical_cores=True), pending)), 0.0
    answers: Answers | None = None
    if pending >= _FEW * workers:
        say(f"running the first {workers} of {pending} pipelines, to see what they cost on this machine")
        each = float(np.mean(run_first(pipeline, design, plan, cache, workers)))
        pending -= workers
    elif pending:
        say("measuring what a pipeline costs on this machine")
        each, answers = _from_short_ones(pipeline, design, plan, workers)
    attacks = _seconds_of_attacks(design, plan, answers or _first_kept(paths))
    return Cost(len(paths), pending, workers, each, attacks, len(paths) - len(design.members))


def _first_kept(paths: Sequence[Path]) -> Answers | None:
    kept = read_answers(paths[0])
    return None if kept is None else kept.answers


def _seconds_of_attacks(design: Design, plan: AuditPlan, answers: Answers | None) -> float:
    """What all attacks on all targets take once the pipelines are there; of two pipelines next to nothing. `answers` of one
    pipeline, whose first classifier is attacked where there is no other pipeline."""
    pipelines, records = len(design.members), len(design.records)
    if pipelines == 1 and answers is not None:
        return seconds_alone(answers.logits, design, plan)
    if pipelines <= 2:
        return 0.0
    return _ATTACK_SECONDS * pipelines**2 * records * plan.views * (int(design.records.true_labels.max()) + 1)


def _from_short_ones(pipeline: ShadowPipeline, design: Design, plan: AuditPlan, workers: int) -> tuple[float, Answers | None]:
    """Seconds of a whole pipeline, from short ones of two lengths per worker, side by side: extended linearly, and the
    questions, whose number no length changes, asked once. And the answers of one."""
    backend = {"backend": "loky", "inner_max_num_threads": 1} if workers > 1 else {"backend": "sequential"}
    with parallel_config(n_jobs=workers, **backend), Parallel() as parallel:
        turns = [
            parallel(
                delayed(_timed)(pipeline.scaled(share), design, k % len(design.members), plan, asks) for k in range(workers)
            )
            for share, asks in ((_SHARES[0], False), (_SHARES[0], False), (_SHARES[1], True))  # the first wakes the workers up
        ]
    short, longer = (float(np.mean([own.training for own in turn])) for turn in turns[1:])
    return _whole(short, longer) + float(np.mean([own.asking for own in turns[-1]])), turns[-1][0].answers


def _whole(short: float, longer: float) -> float:
    """Seconds of a whole pipeline from those of two short ones, of _SHARES."""
    slope = max(longer - short, 0.0) / (_SHARES[1] - _SHARES[0])
    return longer + slope * (1 - _SHARES[1])


@dataclass(frozen=True, eq=False)
class _Timed:
    """Seconds that a pipeline took and, where it was asked, all questions to what it left; and the answers."""

    training: float
    asking: float = 0.0
    answers: Answers | None = None


def _timed(pipeline: ShadowPipeline, design: Design, number: int, plan: AuditPlan, asks: bool) -> _Timed:
    start, members = time.monotonic(), design.members[number]
    parts = pipeline(*design.records.given(members), seed=design.seeds[number])
    trained = time.monotonic()
    if not asks:
        return _Timed(trained - start)
    answers = ask(parts, design.records, members, views=plan.views, synthetic=plan.synthetic, seed=0, few=plan.searched)
    return _Timed(trained - start, time.monotonic() - trained, answers)


def run_pool(store: Store) -> ImageSet:
    """Members and non-members of a run, from which an audit draws halves of its own."""
    inside, outside = store.members(), store.non_members()
    groups = None
    if inside.groups is not None and outside.groups is not None:
        groups = np.concatenate([inside.groups, outside.groups])
    images = np.concatenate([inside.images, outside.images])
    return ImageSet(images, np.concatenate([inside.labels, outside.labels]), groups)


def _secret(path: Path) -> int:
    """The seed of canaries and coin flips, drawn once per run and kept on the private side."""
    if not path.exists():
        write_json(path, {"seed": secrets.randbits(62)})
    return int(json.loads(path.read_text(encoding="utf-8"))["seed"])
