"""The catalogue of attacks: every one has a card, runs where it fits, and a new one takes a file and a line."""

from __future__ import annotations

import pytest

from upcycle.audit.attacks import CATALOGUE, Needs, ThreatModel, named
from upcycle.audit.pipelines import BUDGETS, plan_for
from upcycle.errors import AuditInputError


def test_every_attack_has_a_name_of_its_own_and_a_card_that_says_who_can_run_it() -> None:
    names = [attack.name for attack in CATALOGUE]
    assert len(names) == len(set(names)) >= 20
    for attack in CATALOGUE:
        card = attack.card
        assert card.paper and card.access and card.assumption
        assert isinstance(card.threat_model, ThreatModel)
        assert {part.strip() for part in card.population.split(",")} <= {"clean", "outlier", "canary"}
        assert named(attack.name) is attack
    assert named("nothing") is None


@pytest.mark.parametrize(
    ("budget", "there", "missing"),
    [
        ("smoke", ["loss threshold", "gap", "random forest"], ["label votes", "shrunk Student-t ratio", "LiRA online"]),
        ("quick", ["loss threshold", "label votes", "RMIA offline, ridge heads"], ["RMIA online", "LiRA online"]),
        ("standard", ["shrunk Student-t ratio", "LiRA online", "label votes"], ["gap", "random forest", "quantile regression"]),
    ],
)
def test_a_budget_runs_every_attack_that_fits_it(budget: str, there: list[str], missing: list[str]) -> None:
    planned = [attack.name for attack in BUDGETS[budget].planned()]
    assert set(there) <= set(planned)
    assert not set(missing) & set(planned)


def test_with_four_pipelines_attacks_that_need_six_are_left_out() -> None:
    planned = {attack.name for attack in plan_for("standard", pipelines=4).planned()}
    assert "RMIA online" in planned and "LiRA online" not in planned


def test_an_attack_that_the_catalogue_does_not_have_is_no_column_left_out_in_silence() -> None:
    with pytest.raises(AuditInputError, match=r"Got RMIA\. Choose among them"):
        plan_for("standard", attacks=("loss threshold", "RMIA")).planned()


def test_a_plan_may_name_its_attacks_and_asks_no_more_of_the_runs() -> None:
    plan = plan_for("standard", attacks=("loss threshold", "nearest synthetic image"))
    assert [attack.name for attack in plan.planned()] == ["loss threshold", "nearest synthetic image"]
    assert [attack.name for attack in plan.questions().attacks] == ["nearest synthetic image"]
    assert all(attack.needs is not Needs.ANSWERS for attack in plan_for("full").questions().attacks)
