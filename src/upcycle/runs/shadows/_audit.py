"""`upcycle audit RUN --budget`: shadow pipelines of a run's own recipe, on the run's own records, beside the finished run."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from upcycle.audit import AuditPlan, PipelineAudit, audit, check_pipeline_audit, make_design, plan_for
from upcycle.data import ImageSet, Store
from upcycle.dp import DpSettings, need_extra
from upcycle.errors import RunFolderError
from upcycle.release import SUMS, write_checksums
from upcycle.report import render_pipeline_audit
from upcycle.runs.folder import MANIFEST, PIPELINES, only_one, public_facts, read_config, write_json, write_text
from upcycle.runs.shadows._at_risk import AT_RISK, write_at_risk
from upcycle.runs.shadows._config import shadow_config
from upcycle.runs.shadows._cost import Say, measure_cost
from upcycle.runs.shadows._pipeline import ShadowPipeline

PAGE = "pipeline.html"  # beside its JSON in private/audit


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
        publish(root)
    return found


def publish(root: Path) -> None:
    """Tell the release and the reports of a run what the pipelines found, where the run has them."""
    from upcycle.runs.stages import open_bench, report_stage

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
