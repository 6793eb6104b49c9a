"""Out-of-fold label cleaning: records whose label no classifier that did not see them believes are kept from teacher and
generator (confident learning, Northcutt et al. 2021). What is memorised is above all what cannot be learned otherwise."""

import warnings
from dataclasses import dataclass, replace

import numpy as np
import torch
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from torch import nn

from upcycle._random import derive_seed
from upcycle._training import Report, silent
from upcycle.data import ImageSet
from upcycle.nets import predict_logits
from upcycle.recycle._classify import Recipe, train_classifier


def fold_of(members: ImageSet, folds: int, seed: int, turn: int = 0) -> np.ndarray:
    """Fold of every record, int64 (n,): stratified by class, all images of a group in one. Every `turn` draws others."""
    keys = ("cleaning-folds", turn) if turn else ("cleaning-folds",)
    state = derive_seed(seed, *keys) % 2**32
    out = np.zeros(len(members), np.int64)
    if members.groups is None:
        parts = StratifiedKFold(folds, shuffle=True, random_state=state).split(out, members.labels)
    else:
        parts = StratifiedGroupKFold(folds, shuffle=True, random_state=state).split(out, members.labels, members.groups)
    with warnings.catch_warnings():  # a run refuses a class smaller than the folds; its half in a shadow pipeline may be
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        for fold, (_, held_out) in enumerate(parts):
            out[held_out] = fold
    return out


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """`probabilities` float32 (n, classes) of every record by the classifier that was trained without its fold; `nets` holds
    those classifiers, that of fold k at place k."""

    probabilities: np.ndarray
    nets: tuple[nn.Module, ...]


def out_of_fold(
    members: ImageSet,
    which: np.ndarray,
    recipe: Recipe,
    *,
    images: int,
    seed: int,
    stage: str = "cleaning",
    report: Report = silent,
) -> OutOfFold:
    """For every fold of `which` int64 (n,) a classifier of `images` seen that was trained without it, and its answers."""
    out, nets = np.zeros((len(members), recipe.classes), np.float32), []
    config = recipe.config.model_copy(update={"validate_every": 1.0})
    for fold in range(int(which.max()) + 1):
        learn, ask = members.take(np.flatnonzero(which != fold)), members.take(np.flatnonzero(which == fold))
        short = replace(recipe, config=config, budget=images)
        shown = learn.take(np.arange(1))  # for the one look, at the end, which chooses nothing
        net = train_classifier(learn, shown, short, seed=seed, stage=f"{stage}-{fold}").net
        logits = predict_logits(net, torch.from_numpy(np.ascontiguousarray(ask.images)), recipe.device)
        out[which == fold] = logits.softmax(1).numpy()
        nets.append(net)
        report(images * (fold + 1), {})
    return OutOfFold(out, tuple(nets))


def second_opinion(probabilities: np.ndarray, labels: np.ndarray, share: float) -> np.ndarray:
    """Targets float32 (n, classes): the given labels with `share` of their weight moved to out-of-fold `probabilities`, so that
    at 1 no network that learns them is ever told the record's own label (Tang et al. 2022, SELENA)."""
    given = np.eye(probabilities.shape[1], dtype=np.float32)[labels]
    return np.asarray(share * probabilities + (1 - share) * given, np.float32)


def believed(probabilities: np.ndarray, labels: np.ndarray, *, threshold: float, most: float, ratio: float = 0.0) -> np.ndarray:
    """bool (n,): False for labels given less than `threshold`, or less than `ratio` times the likeliest class; the least
    believed first, at most a share `most` of a class."""
    given = probabilities[np.arange(len(labels)), labels]
    belief = given / np.maximum(threshold, ratio * probabilities.max(1))
    keep = np.ones(len(labels), bool)
    for label in np.unique(labels):
        inside = np.flatnonzero(labels == label)
        doubted = inside[np.argsort(belief[inside], kind="stable")][: int(most * len(inside))]
        keep[doubted[belief[doubted] < 1]] = False
    return keep
