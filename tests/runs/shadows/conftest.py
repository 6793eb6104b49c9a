"""What audits of runs say, refuse and conclude; how much each attack finds, tests/audit/attacks shows."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def _few_trees(few_trees: None) -> None:
    """In every module of this folder."""
