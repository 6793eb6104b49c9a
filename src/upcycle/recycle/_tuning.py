"""The search for a sampler: settings in, the best candidate by the validation accuracy of proxy students out.

Two strategies. `greedy` is the predecessor's (GaFi, BMVC 2023): a grid of one setting after the other, every value paid with a
whole student. `halving` (Jamieson & Talwalkar 2016) gives many candidates a short student and the best of them longer ones.
Every score is kept in a file, so that a search that was killed continues where it stopped.
"""

import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from upcycle._files import append_row, read_rows, sync
from upcycle._random import numpy_rng
from upcycle.data import ImageSet
from upcycle.engine import LOCAL, fan_out, remote
from upcycle.recycle._bank import Bank, Sampler
from upcycle.recycle._classify import Recipe, logits_of
from upcycle.recycle._labels import Labeller
from upcycle.recycle._objective import ACCURACY, Objective, log_likelihood, score
from upcycle.recycle._student import Distillation, train_student


@dataclass(frozen=True, order=True)
class Score:
    """Validation accuracy 0..1, or what another objective has in its place; ties are broken by the mean log-likelihood of the
    right class, at most 0."""

    accuracy: float
    log_likelihood: float


_EPOCHS = 8
_SHARE = 0.4


def proxy_draws(refresh: float) -> float:
    """Images drawn for every image that a proxy student sees, where a filter refuses none: the bank at first, and the share
    `refresh` of it at the end of every epoch but the last."""
    return _SHARE * (1 + (_EPOCHS - 1) * refresh)


@dataclass(frozen=True)
class Proxy:
    """A short student of eight epochs; its bank is `share` times the images it sees, `refresh` of it is redrawn after each.

    All candidates share seed and thus initial weights, noise and views, so that a comparison is paired.
    """

    recipe: Recipe
    how: Distillation
    share: float = _SHARE
    refresh: float = 0.05
    work: Path | None = None  # where the bank is while the student learns; None: in the system's temporary folder

    def train(self, sampler: Sampler, labeller: Labeller, images: int, *, seed: int) -> torch.nn.Module:
        """The student after `images` synthetic images."""
        size = max(64, round(images * self.share))
        how = replace(self.how, epoch_images=max(1, images // _EPOCHS), per_refresh=round(size * self.refresh))
        shape = sampler.draw(np.arange(1))[0].shape[1:]
        with tempfile.TemporaryDirectory(prefix="upcycle-proxy-", dir=self.work) as folder:
            bank = Bank(Path(folder), sampler, size, shape).advance(size)
            recipe = replace(self.recipe, budget=images)
            return train_student(bank, labeller, recipe, how, seed=seed, stage="proxy").net


def score_on(net: torch.nn.Module, validation: ImageSet, device: torch.device, objective: Objective = ACCURACY) -> Score:
    """The score of a classifier on `validation`."""
    found = logits_of(net, validation, device)
    if objective != ACCURACY:
        by_class = log_likelihood(objective, found, validation.labels)
        return Score(score(objective, found, validation.labels), by_class)
    logits, labels = torch.from_numpy(found), torch.from_numpy(validation.labels)
    right = (logits.argmax(1) == labels).float().mean()
    return Score(float(right), -float(F.cross_entropy(logits, labels)))


Value = float | int | None
Candidate = Mapping[str, Value]
"""Setting names and the values they would take."""

Judge = Callable[[Candidate, int], Score]
"""(candidate, images a proxy student sees) -> its score. Must be pure, and picklable where jobs > 1."""
Asked = tuple[Candidate, int]


@dataclass(frozen=True)
class Choice:
    """A setting that may take one of `values`; the first is what an untuned sampler has."""

    name: str
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Trial:
    """One proxy student."""

    candidate: Candidate
    images: int
    score: Score


@dataclass(frozen=True)
class Search:
    """The best candidate of its last round, and every trial on the way in order."""

    best: Candidate
    trials: tuple[Trial, ...]

    @property
    def images(self) -> int:
        """Images seen by all proxy students together: what the search cost."""
        return sum(trial.images for trial in self.trials)


def candidates(choices: Sequence[Choice], count: int, seed: int) -> list[Candidate]:
    """At most `count` different candidates: the untuned one, then values drawn at random."""
    found: list[Candidate] = [{choice.name: choice.values[0] for choice in choices}]
    rng = numpy_rng(seed, "candidates")
    for _ in range(20 * count):
        if len(found) >= min(count, math.prod(len(c.values) for c in choices)):
            break
        drawn = {choice.name: choice.values[rng.integers(len(choice.values))] for choice in choices}
        if drawn not in found:
            found.append(drawn)
    return found


def halving(
    pool: Sequence[Candidate],
    judge: Judge,
    *,
    images: int,
    rounds: int = 3,
    keep: float = 1 / 3,
    jobs: int = 1,
    engine: str = LOCAL,
) -> Iterator[list[Trial]]:
    """Successive halving: yields the trials of each round, best first. The last round's students see `images`; `jobs` of them
    learn at a time on `engine` (`upcycle.engine.fan_out`)."""
    for left in reversed(range(rounds)):
        seen = max(1, round(images * keep**left))
        trials = _judged([(candidate, seen) for candidate in pool], judge, jobs, engine)
        yield trials
        pool = [trial.candidate for trial in trials[: max(1, math.ceil(len(trials) * keep))]]
        if len(pool) == 1 and left:
            return


def greedy(
    choices: Sequence[Choice], judge: Judge, *, images: int, jobs: int = 1, engine: str = LOCAL
) -> Iterator[list[Trial]]:
    """GaFi's order: the grid of the first choice with all others untuned, then of the second with the best first, and so on."""
    best: dict[str, Value] = {choice.name: choice.values[0] for choice in choices}
    for choice in choices:
        trials = _judged([({**best, choice.name: value}, images) for value in choice.values], judge, jobs, engine)
        yield trials
        best = dict(trials[0].candidate)


def _judged(pairs: Sequence[Asked], judge: Judge, jobs: int, engine: str) -> list[Trial]:
    """Best first; of equal ones the earlier."""
    memory = judge if isinstance(judge, TrialMemory) else None
    found = {place: score for place, pair in enumerate(pairs) if memory and (score := memory.recall(*pair)) is not None}
    missing = [place for place in range(len(pairs)) if place not in found]
    work, threads = memory.judge if memory else judge, 1 if remote(engine) else 0
    asked = [pairs[place] for place in missing]
    for number, score in fan_out(_ask, work, asked, engine=engine, jobs=jobs, threads=threads):
        found[missing[number]] = score
        if memory:
            memory.keep(*asked[number], score)
    trials = [Trial(candidate, images, found[place]) for place, (candidate, images) in enumerate(pairs)]
    return sorted(trials, key=lambda trial: trial.score, reverse=True)


def _ask(judge: Judge, asked: Asked) -> Score:
    return judge(*asked)


def search(rounds: Iterator[list[Trial]]) -> Search:
    """Walk all rounds. The best is the first of the last round."""
    walked = list(rounds)
    return Search(walked[-1][0].candidate, tuple(trial for trials in walked for trial in trials))


class TrialMemory:
    """A judge that asks another one only once: every score is a line of the file `path`, written as soon as it is known.

    A trial whose line was cut or damaged is repeated.
    """

    def __init__(self, path: Path, judge: Judge) -> None:
        self.judge, self._path = judge, path

    def __call__(self, candidate: Candidate, images: int) -> Score:
        score = self.recall(candidate, images)
        return self.keep(candidate, images, self.judge(candidate, images)) if score is None else score

    def recall(self, candidate: Candidate, images: int) -> Score | None:
        """The score of a trial that was kept."""
        for trial in read_rows(self._path):
            if trial["images"] == images and trial["candidate"] == dict(candidate):
                return Score(trial["accuracy"], trial["log_likelihood"])
        return None

    def keep(self, candidate: Candidate, images: int, score: Score) -> Score:
        """`score`, once it is in the file."""
        append_row(self._path, {"candidate": dict(candidate), "images": images, **asdict(score)})
        sync(self._path)  # a power cut would lose what the chosen settings rest on
        sync(self._path.parent)
        return score
