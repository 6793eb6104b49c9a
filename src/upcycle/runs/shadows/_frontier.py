"""`upcycle frontier`: accuracy against audited leakage of several recipes, on the same records and the same coins."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from upcycle._files import read_json, write_json, write_text
from upcycle._machine import physical_cores
from upcycle._presets import LEVELS
from upcycle._settings import with_settings
from upcycle.audit import AuditPlan, CanaryCounts, PipelineAudit, plan_for
from upcycle.audit.pipeline_audit import judge_shadows
from upcycle.audit.pipelines import Design as Coins
from upcycle.audit.pipelines import RunFacts, Shadows, make_design, run_in
from upcycle.config import Config
from upcycle.data import Dataset
from upcycle.dp import Ledger, need_extra
from upcycle.engine import LOCAL, check_engine
from upcycle.errors import ConfigError
from upcycle.runs.folder import check_no_links
from upcycle.runs.shadows._audit import secret
from upcycle.runs.shadows._designs import LEFT_OUT, Design, DesignPipeline
from upcycle.runs.shadows._dp import check_formal
from upcycle.runs.shadows._frontier_rows import ATTACKS, page_of, rows_of
from upcycle.runs.stages import check_screening

Say = Callable[[str], None]
FRONTIER: Final = "frontier.json"
SCHEMA: Final = "upcycle-frontier/1"
CONTROL: Final = "plain"
_LEAST: Final = 4  # pipelines: one pair is attacked by means of another
_COOL: Final = {"student.temperature": 1.0}
_SCREEN: Final = {"screen.folds": 3}
_SCREENED: Final = {**_SCREEN, **_COOL}
_APART: Final = {**_SCREENED, "screen.apart": True, "teachers": 3}
_CROSSED: Final = {**_APART, "screen.crossed": True}

BUNDLES: Final[Mapping[str, tuple[Design, ...]]] = MappingProxyType(
    {
        "core": (
            Design("strong", LEVELS["privacy"]["strong"]),
            Design("strong, two levels", {**LEVELS["privacy"]["strong"], "student.levels": 2}),
        ),
        "steps": (
            Design("few passes", {"support.passes": 20.0}),
            Design("temperature 1", _COOL),
            Design("hard labels", {"student.labels": "hard"}),
            Design("cleaned", {"cleaning.folds": 3}),
            Design("cleaned by groups", {**_SCREEN, "screen.isolated": 0.0}),
            Design("isolated left out", {**_SCREEN, "screen.most": 0.0}),
            Design("screened", _SCREEN),
            Design("screened, temperature 1", _SCREENED),
            Design("crossed", {**_CROSSED, "screen.isolated": 0.0, "screen.most": 0.0}),
            Design("screened and crossed", _CROSSED),
            Design("screened where sure, crossed", {**_CROSSED, "screen.sure": 0.9}),
        ),
        "small": (
            Design("screened in three rounds, temperature 1", {**_SCREENED, "screen.rounds": 3}),
            Design("screened and relabelled", {**_SCREENED, "screen.relabel": 1.0}),
            Design("isolated left out, crossed", {**_CROSSED, "screen.most": 0.0}),
        ),
        "support": (
            Design("screened, teachers apart", _APART),
            Design("supported", {**_APART, "support.share": 0.85}),
            Design("supported and crossed", {**_CROSSED, "support.share": 0.85}),
        ),
        "floor": (
            Design("noise floor", {"generator.noise_floor": 0.2}),
            Design("low losses skipped", {"generator.skip_low_loss": 0.5}),
            Design("stopped by the gap", {"generator.gap_stop": 0.05, "generator.snapshots": 8}),
            Design("strong, noise floor", {**LEVELS["privacy"]["strong"], "generator.noise_floor": 0.2}),
        ),
        "dp": (),
        "formal": (),
    }
)
"""Recipes by what they are compared for. The plain one, whose teacher is the control, is run with every bundle; `dp` stands for
a classifier by DP-SGD at every noise of the plan and a linear head at every epsilon, `formal` for a student at every one."""


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
        epsilons: of linear heads on fixed features, and of formal students.
        engine: local, ray://HOST:PORT or dask://HOST:PORT.
        planted_for: pipelines that a first call plants canaries for, where more are to follow; 0: `pipelines`.
    """

    bundles: tuple[str, ...] = ("core",)
    pipelines: int = 16
    seed: int | None = None
    jobs: int = 0
    scale: float = 1.0
    noises: tuple[float, ...] = (0.3, 1.0, 3.0)
    epsilons: tuple[float, ...] = (8.0, 3.0, 1.0)
    engine: str = LOCAL
    planted_for: int = 0

    def designs(self) -> tuple[Design, ...]:
        """Every recipe of the bundles once, the plain one last."""
        dp = tuple(Design(f"DP-SGD, noise {noise:g}", noise=noise) for noise in self.noises)
        dp += tuple(Design(f"DP head, epsilon {epsilon:g}", epsilon=epsilon) for epsilon in self.epsilons)
        formal = tuple(Design(f"formal, epsilon {epsilon:g}", formal=epsilon) for epsilon in self.epsilons)
        own = {**BUNDLES, "dp": dp, "formal": formal}
        found = [design for bundle in self.bundles for design in own[bundle]]
        return (*found, Design(CONTROL))


def frontier(dataset: Dataset, out: Path, base: Config, plan: FrontierPlan, say: Say = lambda _: None) -> list[dict[str, Any]]:
    """Rows of every recipe, also written to frontier.json and frontier.html in `out`.

    The training split is the audited pool, the validation split serves the choices inside every pipeline. Finished stages and
    answers are kept in out/private, recipe by recipe: a killed call resumes, and one with more pipelines or another bundle runs
    only what is new. Raises ConfigError for an unknown bundle or an epsilon that cannot be kept, AuditInputError for data that
    cannot be audited, RunFolderError for a link in `out`.
    """
    _check(plan, dataset, base)
    check_no_links(out)
    private = out / "private"
    private.mkdir(parents=True, exist_ok=True)
    seed = secret(private / "secret.json") if plan.seed is None else plan.seed
    how: dict[str, Any] = {"n_jobs": plan.jobs, "engine": plan.engine, "attacks": ATTACKS, "without_canaries": 0}
    wanted = plan_for("standard", pipelines=plan.pipelines, seed=seed, **how)
    wanted = replace(wanted, canaries=_planted(dataset, private / "canaries.json", wanted, plan, say))
    designs, runs = plan.designs(), _Runs(dataset, base, private, plan.scale)
    shadows = runs.together(designs, make_design(dataset.train, wanted), wanted, say)
    rows = [{"dataset": dataset.name, **row} for row in rows_of(judged(shadows, wanted), shadows)]
    privacy = {design.name: runs.ledger(design) for design in designs}
    told = {"privacy": {name: ledger.to_json() for name, ledger in privacy.items()}, "rows": rows}
    write_json(out / FRONTIER, {"schema": SCHEMA, "pipelines": plan.pipelines, "scale": plan.scale, **told})
    write_text(out / "frontier.html", page_of(rows, dataset.name, privacy))
    return rows


def _check(plan: FrontierPlan, dataset: Dataset, base: Config) -> None:
    unknown, problems = [name for name in plan.bundles if name not in BUNDLES], []
    if unknown or not plan.bundles:
        problems.append(f"bundle must be one of {', '.join(BUNDLES)}. Got {', '.join(unknown) or 'none'}. Choose among them.")
    if plan.pipelines < _LEAST or plan.pipelines % 2:
        problems.append(
            f"pipelines must be an even number from {_LEAST} on, being complementary pairs. Got {plan.pipelines}. Give 16."
        )
    if plan.jobs < 0:
        problems.append(f"jobs must be 0 or more. Got {plan.jobs}. Give 0 for one per physical core.")
    wrong = [epsilon for epsilon in plan.epsilons if not 0 < epsilon < math.inf]
    if wrong or not plan.epsilons:
        problems.append(f"epsilon must be above 0. Got {', '.join(map(str, wrong)) or 'none'}. Give 8, or 3.")
    if problems:
        raise ConfigError(*problems)
    check_engine(plan.engine)
    recipes = [with_settings(base, design.settings) for design in plan.designs() if design.private is None]
    for part in ("screen", "cleaning"):
        check_screening(dataset, np.arange(len(dataset.train)), max(recipes, key=lambda recipe: getattr(recipe, part).folds))
    if {"dp", "formal"} & set(plan.bundles):
        need_extra()
    if "formal" in plan.bundles:
        check_formal(dataset.train, dataset.class_names, plan.epsilons)


def _planted(dataset: Dataset, path: Path, wanted: AuditPlan, plan: FrontierPlan, say: Say) -> CanaryCounts:
    """The canaries that the first call planted: with others every pipeline would be another."""
    if not path.exists():
        first = replace(wanted, pipelines=max(plan.planted_for, plan.pipelines))
        write_json(path, asdict(first.canary_counts(dataset.train)))
    found = CanaryCounts(**read_json(path))
    say(f"canaries: {', '.join(f'{count} {kind}' for kind, count in asdict(found).items() if count)}, as in the first call")
    return found


@dataclass(frozen=True)
class _Runs:
    """The pipelines of every recipe on one data set, kept in `private`."""

    dataset: Dataset
    base: Config
    private: Path
    scale: float

    def together(self, designs: Sequence[Design], coins: Coins, plan: AuditPlan, say: Say) -> Shadows:
        """What all recipes left on the same members. As many pipelines as there are workers go through all recipes at a time,
        so that whatever is finished when a call is killed was finished for all."""
        jobs = plan.n_jobs or physical_cores()
        width = plan.pipelines if plan.engine != LOCAL else max(2, 2 * -(-jobs // 2))
        for start in range(0, plan.pipelines, width):
            for design in designs:
                self._run(design, _some(coins, start, start + width), plan, say)
        return merged(designs, [self._run(design, coins, plan, say) for design in designs])

    def ledger(self, design: Design) -> Ledger:
        """Of a release of the recipe that is made of the whole training split."""
        train, most = self.dataset.train, 1
        if train.groups is not None:
            most = int(np.unique(train.groups, return_counts=True)[1].max())
        return self._pipeline(design).ledger(len(train), most)

    def _pipeline(self, design: Design, stages: Path | None = None) -> DesignPipeline:
        data, control = self.dataset, design.name == CONTROL
        return DesignPipeline(data.validation, data.classes, self.base, design, control, self.scale, stages)

    def _run(self, design: Design, coins: Coins, plan: AuditPlan, say: Say) -> Shadows:
        cache = self.private / "shadows"
        cache.mkdir(exist_ok=True)
        stages = self.private / "stages" if plan.engine == LOCAL else None  # no private file stays on another machine
        pipeline = self._pipeline(design, stages)

        def report(done: int, total: int, seconds: float) -> None:
            say(f"{design.name}: a pipeline took {seconds:.0f} s ({done} of {total} of this turn)")

        return run_in(cache, pipeline, coins, plan, report)


def _some(coins: Coins, start: int, stop: int) -> Coins:
    return replace(coins, members=coins.members[start:stop], seeds=coins.seeds[start:stop])


def merged(designs: Sequence[Design], found: Sequence[Shadows]) -> Shadows:
    """All recipes as one: the plain one's student is the `student`, the others' are known by the recipe's name."""
    parts = [(_known(design.name), one) for design, one in zip(designs, found, strict=True)]
    plain = found[-1]
    scores = {f"{LEFT_OUT} of {name}": one.scores[LEFT_OUT] for name, one in parts if LEFT_OUT in one.scores}
    return replace(
        plain,
        logits={_renamed(name, own): a for name, one in parts for own, a in one.logits.items()},
        scores={**{name: score for name, score in plain.scores.items() if name != LEFT_OUT}, **scores},
        facts=[_merged_facts(parts, k) for k in range(len(plain.facts))],
        seconds=np.sum([one.seconds for one in found], axis=0),
        code=[code for one in found for code in one.code],
    )


def _merged_facts(parts: Sequence[tuple[str, Shadows]], k: int) -> RunFacts:
    """The facts of pipeline `k` of all recipes."""
    facts = [(name, one.facts[k]) for name, one in parts]
    return RunFacts(
        {_renamed(name, own): value for name, fact in facts for own, value in fact.accuracy.items()},
        {f"{own} of {name}": value for name, fact in facts for own, value in fact.reported.items()},
        {own: value for _, fact in facts for own, value in fact.private.items()},
    )


def _known(design: str) -> str:
    return "student" if design == CONTROL else design


def _renamed(design: str, own: str) -> str:
    return design if own == "student" else own


def judged(shadows: Shadows, plan: AuditPlan) -> PipelineAudit:
    """The audit of all recipes together; who was left out is no attack."""
    attacks = {name: scores for name, scores in shadows.scores.items() if not name.startswith(LEFT_OUT)}
    return judge_shadows(replace(shadows, scores=attacks), plan)
