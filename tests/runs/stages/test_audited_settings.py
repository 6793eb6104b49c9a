"""Which settings an audit binds a release to."""

from types import SimpleNamespace
from typing import Any

from upcycle.config import Config, GateConfig
from upcycle.runs.stages import stage_key
from upcycle.runs.stages._audit import _bound


def test_a_budget_is_no_part_of_what_was_audited() -> None:
    """Or a run from before there were budgets could not be released, and none under another budget."""
    bound = _bound(Config(gate=GateConfig(per_record=0.9)))
    assert bound == _bound(Config())
    assert "gate:" not in bound and "per_record" not in bound


def test_the_keys_of_a_run_by_accuracy_are_those_from_before_there_were_objectives() -> None:
    store: Any = SimpleNamespace(fingerprint="f")
    assert stage_key("teacher", store, Config(preset="smoke")) == "a961ec5f61debf36a70d87b8"
    assert stage_key("teacher", store, Config(preset="smoke", objective="auroc")) != "a961ec5f61debf36a70d87b8"
    assert "objective" not in _bound(Config()) and "objective: balanced" in _bound(Config(objective="balanced"))
