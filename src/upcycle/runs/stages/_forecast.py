"""What the audits of a set can show, from the coin flips that a run would draw."""

from upcycle.audit import AuditInputError, AuditPlan, Forecast, forecast_pipelines, forecast_run, plan_for
from upcycle.config import Config
from upcycle.data import Dataset, draw_members

_BUDGETS = {"none": (), "auto": ("quick", "standard"), "quick": ("quick",), "standard": ("standard",), "full": ("full",)}


def forecasts(dataset: Dataset, config: Config, plan: AuditPlan | None = None) -> tuple[list[Forecast], list[str]]:
    """The forecast of the run's own audit and of shadow pipelines by `plan`, or by what `config.evidence` may choose; and
    why there is none. No pixel is read beyond its hash."""
    how = config.audit
    members, outside = draw_members(dataset.train, share=how.non_member_share, at_least=how.min_non_members, seed=config.seed)
    found, notes = [forecast_run(dataset.train.take(members), dataset.train.take(outside), how.confidence)], []
    for budget in _BUDGETS[config.evidence]:
        wanted = plan or plan_for(budget, confidence=how.confidence)
        if plan is not None and len(found) > 1:
            break
        try:
            found.append(forecast_pipelines(dataset.train, wanted))
        except AuditInputError as error:
            notes += [f"shadow pipelines: {problem}" for problem in error.problems]
            break
    return found, notes
