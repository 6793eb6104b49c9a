"""`upcycle frontier`: accuracy against audited leakage of several recipes, on the same records and the same coins."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from upcycle._files import write_json, write_text
from upcycle.audit import PipelineAudit, audit, plan_for
from upcycle.config import Config
from upcycle.data import Dataset
from upcycle.dp import DpSettings, need_extra
from upcycle.engine import LOCAL, check_engine
from upcycle.errors import ConfigError
from upcycle.report import render_comparison
from upcycle.runs.shadows._audit import secret
from upcycle.runs.shadows._designs import Design, DesignsPipeline

Say = Callable[[str], None]
FRONTIER: Final = "frontier.json"
SCHEMA: Final = "upcycle-frontier/1"
CONTROL: Final = "plain"
_ATTACKS: Final = ("shrunk Student-t ratio", "RMIA")
_LEAST: Final = 4  # pipelines: one pair is attacked by means of another
_PENALTY: Final = 2.0  # lambda of accuracy over privacy (Lomurno & Matteucci 2025)
_COOL: Final = {"student.temperature": 1.0}
_SCREEN: Final = {"screen.folds": 3}
_STRONG: Final = {**_SCREEN, **_COOL}
_APART: Final = {**_STRONG, "screen.apart": True, "teachers": 3}

BUNDLES: Final[Mapping[str, tuple[Design, ...]]] = MappingProxyType(
    {
        "core": (
            Design("screened, temperature 1", _STRONG),
            Design("screened", _SCREEN),
            Design("screened and relabelled", {**_STRONG, "screen.relabel": 1.0}),
            Design(CONTROL),
        ),
        "steps": (
            Design("temperature 1", _COOL),
            Design("hard labels", {"student.labels": "hard"}),
            Design("cleaned", {"cleaning.folds": 3}),
            Design("cleaned by groups", {**_SCREEN, "screen.isolated": 0.0}),
            Design("isolated left out", {**_SCREEN, "screen.most": 0.0}),
            Design(CONTROL),
        ),
        "support": (
            Design("screened, teachers apart", _APART),
            Design("supported", {**_APART, "support.share": 0.85}),
            Design(CONTROL),
        ),
        "dp": (Design(CONTROL),),
    }
)
"""Recipes that are run together because they share stages; each bundle has the plain one, whose teacher is the control."""


@dataclass(frozen=True)
class FrontierPlan:
    """What `frontier` does.

    Attributes:
        bundles: names of BUNDLES.
        pipelines: runs of every recipe, an even number.
        seed: a secret that draws canaries and membership; None: one kept in the folder.
        jobs: pipelines at a time; 0: as many as the engine has cores.
        scale: share of every budget, for a trial.
        noises: noise multipliers of DP-SGD.
        engine: local, ray://HOST:PORT or dask://HOST:PORT.
    """

    bundles: tuple[str, ...] = ("core",)
    pipelines: int = 16
    seed: int | None = None
    jobs: int = 0
    scale: float = 1.0
    noises: tuple[float, ...] = (0.3, 1.0, 3.0)
    engine: str = LOCAL


def frontier(dataset: Dataset, out: Path, base: Config, plan: FrontierPlan, say: Say = lambda _: None) -> list[dict[str, Any]]:
    """Rows of every bundle, also written to frontier.json and frontier.html in `out` as each ends.

    The training split is the audited pool, the validation split serves the choices inside every pipeline. Finished pipelines
    are kept in out/private, so that a killed call resumes and a call with more pipelines goes on. Raises ConfigError for an
    unknown bundle, AuditInputError for data that cannot be audited.
    """
    _check(plan)
    private = out / "private"
    private.mkdir(parents=True, exist_ok=True)
    seed = secret(private / "secret.json") if plan.seed is None else plan.seed
    rows: list[dict[str, Any]] = []
    for bundle in plan.bundles:
        found = _audited(dataset, private / "shadows", base, plan, seed, bundle, say)
        rows += [{"dataset": dataset.name, "bundle": bundle, **row} for row in rows_of(found, BUNDLES[bundle])]
        write_json(out / FRONTIER, {"schema": SCHEMA, "pipelines": plan.pipelines, "scale": plan.scale, "rows": rows})
        write_text(out / "frontier.html", page_of(rows, dataset.name))
    return rows


def _check(plan: FrontierPlan) -> None:
    unknown, problems = [name for name in plan.bundles if name not in BUNDLES], []
    if unknown or not plan.bundles:
        problems.append(f"bundle must be one of {', '.join(BUNDLES)}. Got {', '.join(unknown) or 'none'}. Choose among them.")
    if plan.pipelines < _LEAST or plan.pipelines % 2:
        problems.append(
            f"pipelines must be an even number from {_LEAST} on, being complementary pairs. Got {plan.pipelines}. Give 16."
        )
    if plan.jobs < 0:
        problems.append(f"jobs must be 0 or more. Got {plan.jobs}. Give 0 for one per physical core.")
    if problems:
        raise ConfigError(*problems)
    check_engine(plan.engine)
    if "dp" in plan.bundles:
        need_extra()


def _audited(
    dataset: Dataset, cache: Path, base: Config, plan: FrontierPlan, seed: int, bundle: str, say: Say
) -> PipelineAudit:
    dp = DpSettings(noises=plan.noises) if bundle == "dp" else None
    pipeline = DesignsPipeline(dataset.validation, dataset.classes, base, BUNDLES[bundle], CONTROL, dp, plan.scale)
    wanted = plan_for(
        "standard",
        pipelines=plan.pipelines,
        seed=seed,
        n_jobs=plan.jobs,
        engine=plan.engine,
        attacks=_ATTACKS,
        without_canaries=0,
    )

    def report(done: int, total: int, seconds: float) -> None:
        say(f"{bundle}: pipeline {done} of {total}, {seconds:.0f} s")

    return audit(pipeline, dataset.train, wanted, cache=cache, report=report)


def rows_of(found: PipelineAudit, designs: Sequence[Design]) -> Iterator[dict[str, Any]]:
    """A row per model, kind of record and attack; fields as in benchmarks/results/frontier.json."""
    document = found.to_json()
    facts, names = document["facts"], {"student": designs[0].name, "teacher": "teacher, plain (control)"}
    for row in document["rows"]:
        model, accuracy = names.get(row["target"], row["target"]), _accuracy(facts, row["target"])
        if accuracy is None:
            continue  # a released set or a generator, of which there is none here
        kind = row["population"].removeprefix("canary, ")
        planted = row["population"].startswith("canary")
        yield {
            "model": model,
            "kind": "mislabelled" if kind == "canary" else kind,
            "attack": row["attack"],
            "pipelines": document["plan"]["pipelines"],
            "member_observations": row["n_members"],
            "student_accuracy": accuracy,
            "minutes": _minutes(facts, model),
            "auc": row["auc"],
            "auc_low": row["auc_low"],
            "auc_high": row["auc_high"],
            **({f"canary_{name}": row[name] for name in _TPR} if planted else {}),
            "aop": accuracy / max(2 * row["auc"], 1.0) ** _PENALTY,
            "epsilon_lower": row["epsilon_low"],
            "epsilon_upper": _epsilon(facts, model),
        }


_TPR: Final = ("tpr_at_1pct", "tpr_at_1pct_low", "tpr_at_1pct_high")


def _accuracy(facts: Mapping[str, Any], target: str) -> float | None:
    accuracy: float | None = facts["accuracy"].get(target)
    return accuracy


def _minutes(facts: Mapping[str, Any], model: str) -> float | None:
    seconds = facts["reported"].get(f"seconds of {model}")
    return None if seconds is None else round(seconds / 60, 3)


def _epsilon(facts: Mapping[str, Any], model: str) -> float | None:
    found = facts["by_dp_sgd"].get(model)
    return None if found is None else float(found["epsilon"])


def page_of(rows: Sequence[Mapping[str, Any]], name: str) -> str:
    """HTML text: one figure, accuracy against the AUC of the planted kind that is easiest to find, and one table."""
    models = list(dict.fromkeys(row["model"] for row in rows))
    shown = [_summary([row for row in rows if row["model"] == model]) for model in models]
    note = (
        "The AUC is that of the kind of planted record that is easiest to find, by the shrunk Student-t ratio; columns give "
        "the AUC of every kind with its limits, by the worse of two attacks."
    )
    return render_comparison(shown, title=f"Accuracy against leakage: {name}", notes=[note])


def _summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One model as a row of the page."""
    planted = [row for row in rows if "canary_tpr_at_1pct" in row and row["attack"] == _ATTACKS[0]]
    worst = max(planted or rows, key=lambda row: row["auc"])
    right = worst["student_accuracy"]
    kinds = {}
    for kind in dict.fromkeys(row["kind"] for row in rows):
        row = max((row for row in rows if row["kind"] == kind), key=lambda row: row["auc_high"])
        kinds[f"AUC, {kind}"] = f"{row['auc']:.3f} [{row['auc_low']:.3f}, {row['auc_high']:.3f}]"
    return {
        "name": worst["model"],
        "student_accuracy": (right, right, right),
        "student_auc": (worst["auc"], worst["auc_low"], worst["auc_high"]),
        **({} if worst["minutes"] is None else {"minutes": worst["minutes"]}),
        **kinds,
    }
