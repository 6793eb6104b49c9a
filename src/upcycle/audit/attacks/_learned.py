"""The learned attacks of the Knowledge Recycling family (toolkit of TensorFlow Privacy: logistic regression, random forest, k
nearest neighbours, multilayer perceptron) on the answers of a single pipeline."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from upcycle._random import derive_seed
from upcycle.audit.attacks._answered import Answered
from upcycle.audit.attacks._attack import Attack, AttackCard, Needs
from upcycle.audit.attacks._folds import forward_fit
from upcycle.audit.attacks._signals import attack_features

NEIGHBOURS: Final = 15  # the fewest records from which all of them can learn
POSTERIOR: Final = "logistic regression"
_MOST_KNOWN: Final = 20_000  # records among which neighbours are sought: every record asks all of them
_FOREST, _NEAREST, _PERCEPTRON = "random forest", "k nearest neighbours", "multilayer perceptron"


def _scaled(model: Any) -> Any:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), model)


def _logistic_regression(seed: int) -> Any:
    from sklearn.linear_model import LogisticRegression

    return _scaled(LogisticRegression(C=0.1, max_iter=300, random_state=seed % 2**32))


def _random_forest(seed: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    state = seed % 2**32
    return _scaled(RandomForestClassifier(100, min_samples_leaf=10, max_features="sqrt", n_jobs=1, random_state=state))


def _nearest_neighbours(seed: int) -> Any:  # noqa: ARG001 - nothing in it is random
    from sklearn.neighbors import KNeighborsClassifier

    class OfSome(KNeighborsClassifier):  # type: ignore[misc]
        """It knows evenly spaced records where there are too many."""

        def fit(self, features: np.ndarray, members: np.ndarray) -> Any:
            step = max(1, -(-len(features) // _MOST_KNOWN))
            return super().fit(features[::step], members[::step])

    return _scaled(OfSome(NEIGHBOURS, n_jobs=1))


def _perceptron(seed: int) -> Any:
    from sklearn.neural_network import MLPClassifier

    return _scaled(MLPClassifier((32,), alpha=0.01, max_iter=40, random_state=seed % 2**32))


ESTIMATORS: Final[Mapping[str, Callable[[int], Any]]] = MappingProxyType(
    {
        POSTERIOR: _logistic_regression,
        _FOREST: _random_forest,
        _NEAREST: _nearest_neighbours,
        _PERCEPTRON: _perceptron,
    }
)
"""`seed -> unfitted scikit-learn pipeline`, by attack."""


def _scores(make: Callable[[int], Any], name: str, answered: Answered) -> np.ndarray:
    """Scores (1, records); NaN in the fold from which it first learns, and everywhere where the records are too few."""
    audited, pairs = answered.audited, answered.audited.folds
    if not pairs:
        return np.full((1, len(answered.labels)), np.nan)
    features = attack_features(answered.logits[0, :, 0], answered.labels)
    estimator = partial(make, derive_seed(audited.seed, "attack", name))
    return forward_fit(estimator, features, audited.members[0], list(pairs))[None]


def _attack(name: str, paper: str) -> Attack:
    card = AttackCard(
        name,
        paper,
        "logits and label of each record; membership of the earlier folds",
        "members and non-members were drawn by one coin flip; the attacker knows membership of other records",
    )
    return Attack(card, Needs.CLASSIFIER, partial(_scores, ESTIMATORS[name], name), most=1)


LEARNED: Final = (
    _attack(POSTERIOR, "Salem et al. 2019, arXiv:1806.01246; features as in TensorFlow Privacy"),
    _attack(_FOREST, "TensorFlow Privacy membership inference toolkit; Breiman 2001"),
    _attack(_NEAREST, "TensorFlow Privacy membership inference toolkit; Cover & Hart 1967"),
    _attack(_PERCEPTRON, "Shokri et al. 2017, arXiv:1610.05820, without shadow models"),
)
