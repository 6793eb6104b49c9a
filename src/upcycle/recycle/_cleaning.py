"""Out-of-fold label cleaning: records whose label no classifier that did not see them believes are kept from teacher and
generator (confident learning, Northcutt et al. 2021). What is memorised is above all what cannot be learned otherwise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from upcycle._random import derive_seed
from upcycle._training import Report, silent
from upcycle.data import ImageSet
from upcycle.nets import predict_logits
from upcycle.recycle._classify import Recipe, train_classifier


def fold_of(members: ImageSet, folds: int, seed: int) -> np.ndarray:
    """Fold of every record, int64 (n,): stratified by class, all images of a group in one."""
    state = derive_seed(seed, "cleaning-folds") % 2**32
    out = np.zeros(len(members), np.int64)
    if members.groups is None:
        parts = StratifiedKFold(folds, shuffle=True, random_state=state).split(out, members.labels)
    else:
        parts = StratifiedGroupKFold(folds, shuffle=True, random_state=state).split(out, members.labels, members.groups)
    for fold, (_, held_out) in enumerate(parts):
        out[held_out] = fold
    return out


def out_of_fold(
    members: ImageSet, recipe: Recipe, *, folds: int, images: int, seed: int, report: Report = silent
) -> np.ndarray:
    """Class probabilities float32 (n, classes) of every record by a classifier of `images` seen that was trained without it."""
    which = fold_of(members, folds, seed)
    out = np.zeros((len(members), recipe.classes), np.float32)
    config = recipe.config.model_copy(update={"validate_every": 1.0})
    for fold in range(folds):
        learn, ask = members.take(np.flatnonzero(which != fold)), members.take(np.flatnonzero(which == fold))
        short = replace(recipe, config=config, budget=images)
        net = train_classifier(learn, ask.take(np.arange(1)), short, seed=seed, stage=f"cleaning-{fold}").net
        logits = predict_logits(net, torch.from_numpy(np.ascontiguousarray(ask.images)), recipe.device)
        out[which == fold] = logits.softmax(1).numpy()
        report(images * (fold + 1), {})
    return out


def believed(probabilities: np.ndarray, labels: np.ndarray, *, threshold: float, most: float) -> np.ndarray:
    """bool (n,): False for labels given less than `threshold`, the least believed first, at most a share `most` of a class."""
    given = probabilities[np.arange(len(labels)), labels]
    keep = np.ones(len(labels), bool)
    for label in np.unique(labels):
        inside = np.flatnonzero(labels == label)
        doubted = inside[np.argsort(given[inside], kind="stable")][: int(most * len(inside))]
        keep[doubted[given[doubted] < threshold]] = False
    return keep
