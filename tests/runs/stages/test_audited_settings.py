"""Which settings an audit binds a release to."""

from upcycle.config import Config, GateConfig
from upcycle.runs.stages._audit import _bound


def test_a_budget_is_no_part_of_what_was_audited() -> None:
    """Or a run from before there were budgets could not be released, and none under another budget."""
    bound = _bound(Config(gate=GateConfig(per_record=0.9)))
    assert bound == _bound(Config())
    assert "gate:" not in bound and "per_record" not in bound
