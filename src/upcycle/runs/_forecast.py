"""What the audits of a set can show, said before the work from the coin flips that a run would draw, and what it will take."""

from collections.abc import Iterable
from typing import Final

from upcycle._arguments import typed
from upcycle.audit import AuditInputError, AuditPlan, Forecast, forecast_pipelines, forecast_run, plan_for
from upcycle.config import Config
from upcycle.data import Dataset, draw_members
from upcycle.runs.folder import check_audit_size

_ENOUGH: Final = 576  # members with which strong privacy was measured to cost nothing
_BUDGETS = {"none": (), "auto": ("quick", "standard"), "quick": ("quick",), "standard": ("standard",), "full": ("full",)}


@typed()
def forecasts(dataset: Dataset, config: Config, plan: AuditPlan | None = None) -> tuple[list[Forecast], list[str]]:
    """The forecast of the run's own audit and of shadow pipelines by `plan`, or by what `config.evidence` may choose; and
    why there is none. No pixel is read beyond its hash. Raises DataError for a set that a run would refuse."""
    how, train = config.audit, dataset.train.sketched()
    members, outside = draw_members(train, share=how.non_member_share, at_least=how.min_non_members, seed=config.seed)
    check_audit_size(dataset, outside, config)
    found, notes = [forecast_run(train.take(members), train.take(outside), how.confidence)], _of_few(config, len(members))
    for budget in _BUDGETS[config.evidence]:
        wanted = plan or plan_for(budget, confidence=how.confidence)
        if plan is not None and len(found) > 1:
            break
        try:
            found.append(forecast_pipelines(train, wanted))
        except AuditInputError as error:
            notes += [f"shadow pipelines: {problem}" for problem in error.problems]
            break
    return found, notes


def _of_few(config: Config, members: int) -> list[str]:
    """What strong privacy was measured to cost where records are few (BreastMNIST, docs/leakage.md)."""
    if config.privacy != "strong" or members >= _ENOUGH:
        return []
    return [
        f"--privacy strong cost 5.6 points of accuracy [3.2, 8.1] on a set of 218 members, and none with {_ENOUGH} and 2,154. "
        f"Here are {members:,}: run --privacy usual as well, and compare the two (upcycle compare)."
    ]


def forecast_lines(found: Iterable[Forecast], notes: Iterable[str]) -> list[str]:
    """For a terminal, as the lines of a plan; what some set cannot be asked, last."""
    lines = [line for forecast in found for line in forecast.lines()] + list(notes)
    return [f"{'' if k else 'forecast':12} {line}" for k, line in enumerate([*lines, "which verdict: docs/verdicts.md"])]


def evidence_minutes(training: float, level: str, networks: str = "small") -> str:
    """What shadow pipelines of this `level` of evidence, on small `networks` or the run's own, add to a run, given the minutes
    of its `training`."""
    if level == "none":
        return "no shadow pipelines (--evidence none): the run's own audit stands alone"
    own = "; each does the work of the training again (--networks own)" if networks == "own" else ""
    if level != "auto":
        return f"shadow pipelines (--evidence {level}) say what they take before they start{own}"
    most = f"at most {training:.0f} min more: as many as take no longer than the training (--evidence auto)"
    return f"shadow pipelines {most}{own}"


def measured_minutes(dataset: Dataset, config: Config) -> float:
    """Minutes that the training of a run takes on this machine, from a measurement on random images."""
    from upcycle._machine import choose_device, tune_process
    from upcycle.generators import ImageShape
    from upcycle.runs.stages import make_plan, networks_of

    tune_process(config.threads)
    how, shape = config.audit, ImageShape(dataset.channels, dataset.size, dataset.classes)
    members, _ = draw_members(dataset.train, share=how.non_member_share, at_least=how.min_non_members, seed=config.seed)
    splits = {"validation": len(dataset.validation), "test": len(dataset.test)}
    plan = make_plan(config, shape, len(members), choose_device(config.device), networks_of(config), **splits)
    return sum(plan.seconds.values()) / 60
