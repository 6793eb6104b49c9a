"""The tuning stage: which snapshot, average, spread, filter ... make the better student, by the validation split alone."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace

import numpy as np

from upcycle._files import write_json
from upcycle._settings import with_settings
from upcycle.config import BigGanConfig, Config, EdmConfig, GanConfig, GeneratorConfig, MixConfig
from upcycle.data import ImageSet
from upcycle.engine import check_engine, remote
from upcycle.generators import can_rebuild
from upcycle.recycle import (
    Candidate,
    Choice,
    Proxy,
    Score,
    Search,
    Trial,
    TrialMemory,
    candidates,
    greedy,
    halving,
    score_on,
    search,
)
from upcycle.runs.stages._bench import Bench, Facts, Splits
from upcycle.runs.watch import SilentDisplay

_TRIED: dict[str, tuple[float | None, ...]] = {
    "sampler.threshold": (0.0, 0.5, 0.8),
    "bank.prior": (0.0, 1.0),
    "bank.period": (2, 4),
    "student.temperature": (0.5, 2.0, 4.0),
}


_WIDTHS = (0.025, 0.04, 0.075, 0.15)


_GUIDANCE, _SHARES = (1.0, 1.25, 1.5, 2.0), (0.25, 0.5, 0.75)


@dataclass(frozen=True)
class SamplerJudge:
    """The validation score of a proxy student that learned from a candidate. Opens all it needs by itself, so that it may run
    in another process."""

    bench: Bench
    validation: ImageSet

    def __call__(self, candidate: Candidate, images: int) -> Score:
        config = with_settings(self.bench.config, candidate)
        bench = replace(self.bench, config=config)
        recipe = bench.recipe(images, bench.augmentation())
        work = bench.folder.work
        work.mkdir(parents=True, exist_ok=True)
        net = Proxy(recipe, bench.distillation(), refresh=config.bank.refresh, work=work).train(
            bench.sampler(), bench.labeller(), images, seed=config.seed
        )
        return score_on(net, self.validation, bench.device, config.objective)


def tuning_stage(bench: Bench, splits: Splits) -> Facts:
    """Search, and leave the chosen settings in tuned.json."""
    bench.folder.stage("tuning")
    how = bench.config.tuning
    if remote(how.engine):
        check_engine(how.engine, [str(bench.folder.root.resolve())])  # judges read generator and teacher there
    silent = replace(bench, display=SilentDisplay())  # a live one holds threads, which no other process can take
    judge = TrialMemory(bench.folder.trials, SamplerJudge(silent, splits.validation()))
    choices = choices_of(bench)
    if how.strategy == "greedy":
        rounds = greedy(choices, judge, images=how.images, jobs=how.jobs, engine=how.engine)
    else:
        pool = candidates(choices, how.candidates, bench.config.seed)
        rounds = halving(pool, judge, images=how.images, rounds=how.rounds, keep=how.keep, jobs=how.jobs, engine=how.engine)
    found = search(_told(rounds, bench))
    write_json(bench.folder.document("tuning", "tuned"), dict(found.best))
    return facts_of(found)


def choices_of(bench: Bench) -> list[Choice]:
    """What may be tuned and the values tried, the untuned one first."""
    config = bench.config
    family = None if bench.networks.generator else config.generator  # nothing is known of one of the user's own
    limits = config.tuning.gan_spread if isinstance(family, GanConfig | BigGanConfig) else config.tuning.spread
    passed = [snapshot.images_seen for snapshot in bench.passed_snapshots()]
    tried: dict[str, tuple[float | int | None, ...]] = {
        **_TRIED,
        "sampler.snapshot": tuple(reversed(passed)),
        **_of_family(family),
        "sampler.spread": tuple(round(float(s), 3) for s in np.linspace(*limits, config.tuning.grid)),
    }
    values = {**_flat(config), "sampler.snapshot": config.sampler.snapshot or passed[-1]}
    return [Choice(name, tuple(dict.fromkeys((values[name], *tried[name])))) for name in config.tuning.settings]


def _of_family(generator: GeneratorConfig | None) -> dict[str, tuple[float, ...]]:
    """What only some families have: averages that are stored or can be rebuilt, guidance, and the share of a mix's first."""
    if isinstance(generator, MixConfig):
        return {"sampler.ema_std": (), "sampler.guidance": (), "sampler.first_share": _SHARES}
    if not isinstance(generator, EdmConfig):
        return {"sampler.ema_std": (), "sampler.guidance": (), "sampler.first_share": ()}
    widths = {*generator.ema_stds, *(std for std in _WIDTHS if can_rebuild(generator, std))}
    guidance = _GUIDANCE if generator.label_drop else ()
    return {"sampler.ema_std": tuple(sorted(widths)), "sampler.guidance": guidance, "sampler.first_share": ()}


def _flat(config: Config) -> dict[str, float | int | None]:
    sections = {name: getattr(config, name).model_dump() for name in ("sampler", "bank", "student")}
    return {f"{section}.{key}": value for section, values in sections.items() for key, value in values.items()}


def _told(rounds: Iterator[list[Trial]], bench: Bench) -> Iterator[list[Trial]]:
    """The same rounds, each reported when it is over."""
    seen = 0
    for trials in rounds:
        seen += sum(trial.images for trial in trials)
        bench.report("tuning")(seen, {f"validation_{bench.config.objective}": trials[0].score.accuracy})
        yield trials


def facts_of(found: Search) -> Facts:
    """What a search found, as plain data."""
    return {
        "best": dict(found.best),
        "images": found.images,
        "trials": [
            {"candidate": dict(trial.candidate), "images": trial.images, **asdict(trial.score)} for trial in found.trials
        ],
    }
