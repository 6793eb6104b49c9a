"""`upcycle audit RUN --budget`: shadow pipelines of a finished run's recipe on its own records."""

from __future__ import annotations

import csv
import secrets
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from upcycle._arguments import typed
from upcycle._files import forced_hash, json_text, read_json, read_record, write_arrays, write_json, write_record, write_text
from upcycle.audit import AuditPlan, PipelineAudit, audit, check_pipeline_audit, plan_for
from upcycle.audit.pipelines import make_design
from upcycle.data import ImageSet, Store
from upcycle.dp import DpSettings, need_extra
from upcycle.engine import LOCAL, check_engine
from upcycle.errors import DamagedFileError
from upcycle.release import replace_files
from upcycle.report import render_pipeline_audit
from upcycle.runs.folder import (
    MANIFEST,
    PIPELINES,
    PIPELINES_MANIFEST,
    RunFolder,
    public_facts,
    run_stage,
)
from upcycle.runs.folder import read_record as stage_record
from upcycle.runs.shadows._as_run import AsRun, asked_networks, own_config
from upcycle.runs.shadows._config import shadow_config
from upcycle.runs.shadows._cost import Say, measure_cost
from upcycle.runs.shadows._pipeline import ShadowPipeline
from upcycle.runs.stages import Bench, check_own_absent, prepare, report_pages, report_stage

SCORES: Final = "pipeline_scores.npz"
PAGE: Final = "pipeline.html"  # next to its JSON in private/audit


@typed()
def audit_run(
    root: str | Path,
    budget: str,
    *,
    jobs: int = 0,
    engine: str = LOCAL,
    early_look: bool = False,
    dp: DpSettings | None = None,
    networks: str | Mapping[str, Any] | None = None,
    say: Say = lambda _: None,
) -> PipelineAudit:
    """Audit the recipe of the run in `root` by shadow pipelines, or resume that audit; states its cost before it starts.
    `dp` adds classifiers by DP-SGD to every pipeline; `early_look` stops half-way if the student leaks by then. `networks` of
    the pipelines, "small" or "own" (the run's, with its budgets), are by default those of the setting evidence_networks. For
    own ones of a run with code of the user's give it again: {"network": ..., "generator": ...}, as `run` got them.

    Writes private/audit/pipeline.json, pipeline.html, pipeline_scores.npz, at_risk.csv and the runs themselves (shadows),
    adds the public half to release/audit.json if the run has been released, and writes its reports again. Canaries are
    drawn in memory only: neither the store nor any released model ever holds one. Raises RunFolderError for a folder
    without a finished store, ConfigError for `dp` without the extra [dp], and for an `engine` that cannot be used.
    """
    if dp is not None:
        need_extra()
    check_engine(engine)
    asked, parts = asked_networks(networks)
    which = asked or RunFolder(Path(root)).config().evidence_networks
    if which == "small":
        check_own_absent(Path(root))
    with prepare(None, Path(root), **parts) as bench:
        store = bench.folder.open_store()
        plan = plan_for(budget, seed=secret_seed(bench), n_jobs=jobs, engine=engine)
        plan = replace(plan, look=plan.pipelines // 2) if early_look else plan
        found = audit_bench(bench, store, run_pipeline(bench, store, which, dp), plan, say=say)
        publish(bench, store)
    return found


def run_pipeline(bench: Bench, store: Store, networks: str, dp: DpSettings | None = None) -> ShadowPipeline:
    """The recipe of a run as a pipeline that can be audited, on `networks` of NETWORKS."""
    as_run = AsRun.of(bench) if networks == "own" else None
    config = own_config(bench.config) if as_run else shadow_config(bench.config, store.meta.size)
    stay = staying(run_pool(store), store, bench.config.screen.keep)
    pipeline = ShadowPipeline(store.validation(), len(store.meta.class_names), config)
    return replace(pipeline, dp=dp, work=bench.folder.work, stay=stay, as_run=as_run)


def audit_bench(
    bench: Bench, store: Store, pipeline: ShadowPipeline, plan: AuditPlan, *, say: Say, each: float = 0.0
) -> PipelineAudit:
    """Audit `pipeline` on the run's pool, or go on with it, and leave what was found in private/audit; `each`: the seconds of a
    pipeline, where they were measured."""
    folder, pool = bench.folder.stage("audit"), run_pool(store)
    found = audit_pool(pipeline, pool, plan, folder / "shadows", say, each)
    facts = found.to_json()
    check_pipeline_audit(facts)
    write_json(folder / PIPELINES, facts)
    write_text(folder / PAGE, render_pipeline_audit(facts, title=f"{store.meta.name}: {bench.config.preset} run"))
    write_arrays(folder / SCORES, found.arrays)
    write_at_risk(folder / AT_RISK, found, pool, store)
    _sign(folder)
    return found


def _sign(folder: Path) -> None:
    """Write the hashes of what the audit left, last of all."""
    names = [name for name in (PIPELINES, PAGE, SCORES, AT_RISK) if (folder / name).exists()]
    write_record(folder / PIPELINES_MANIFEST, {"files": {name: forced_hash(folder / name) for name in names}})


def publish(bench: Bench, store: Store) -> None:
    """Tell the release and the reports of a run what the pipelines found, where the run has them."""
    release, private = bench.folder.release, bench.folder.private
    if (release / "audit.json").exists():
        known = read_json(release / "audit.json")
        kept = {name: known[name] for name in ("judged", "accepted_risk") if name in known}
        public = {**(public_facts(private)[0] or known), **kept}
        replace_files(release, {"audit.json": (json_text(public) + "\n").encode()})
    report = private / "report"
    if (record := stage_record(report)) is not None:
        (report / MANIFEST).unlink()
        work = partial(report_stage, bench, store)
        run_stage(report, record.key, work, inputs=record.inputs, also=report_pages(bench.folder))


def audit_pool(
    pipeline: ShadowPipeline, pool: ImageSet, plan: AuditPlan, cache: Path, say: Say, each: float = 0.0
) -> PipelineAudit:
    """`audit` with its cost measured, unless the seconds of `each` pipeline are known, and said beforehand, and a line after
    every finished pipeline."""
    plan = plan.fitted(pool)
    cost = measure_cost(pipeline, make_design(pool, plan), plan, cache, say, each)
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
    """Members and non-members of a run, from which an audit draws its own halves."""
    return store.train_part(np.concatenate(store.train_rows()))


def staying(pool: ImageSet, store: Store, keep: tuple[int, ...]) -> np.ndarray | None:
    """The images of a `run_pool` that no screen leaves out, given their rows of the training split; None for no rows."""
    return pool.images[np.isin(np.concatenate(store.train_rows()), keep)] if keep else None


def secret_seed(bench: Bench) -> int:
    """The secret of a run's audit."""
    return secret(bench.folder.stage("audit") / "secret.json")


def secret(path: Path) -> int:
    """The seed of canaries and coin flips, drawn once per run and kept on the private side."""
    if not path.exists():
        write_record(path, {"seed": secrets.randbits(62)})
    try:
        return int(read_record(path, "seed")["seed"])
    except DamagedFileError as error:
        again = "Delete it and run the same command again: other coins are flipped, and kept pipelines run again."
        raise DamagedFileError(path, error.got, again) from error


AT_RISK: Final = "at_risk.csv"  # in private/audit, never in a release


_COLUMNS: Final = ("train_row", "class", "group", "used_by_the_run", "risk", "risk_low", "risk_high")


def write_at_risk(path: Path, found: PipelineAudit, pool: ImageSet, store: Store) -> None:
    """Write the 50 records of `pool`, the members of `store` and then its non-members, at highest risk, the surest first.

    `train_row` counts from 0 in the training split as it was read; `group` is the patient's number, empty without groups;
    `used_by_the_run`: 1 if teacher and generator were given the record, 0 if it was kept for the audit. `risk`: mean posterior
    probability that the record was used, over the shadow pipelines that did use it, with limits; 0.5 is luck. No file, and
    none of before, where the audit had too few pipelines to tell.
    """
    path.unlink(missing_ok=True)
    if found.risk is None:
        return
    members, others = store.train_rows()
    rows, risk, of_row = np.concatenate([members, others]), found.risk.risk, found.risk.rows
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        for record in found.risk.top():
            at = int(np.searchsorted(of_row, record))
            who = ["" if pool.groups is None else int(pool.groups[record]), int(record < len(members))]
            figures = [f"{values[at]:.4f}" for values in (risk.value, risk.low, risk.high)]
            writer.writerow([int(rows[record]), store.meta.class_names[pool.labels[record]], *who, *figures])
