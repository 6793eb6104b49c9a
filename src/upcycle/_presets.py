"""Named instances of the configuration, by quality."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel

from upcycle._section import near
from upcycle.config import (
    FAMILIES,
    AuditConfig,
    AugmentConfig,
    BankConfig,
    BigGanConfig,
    ClassifierConfig,
    Config,
    DataConfig,
    EdmConfig,
    ReleaseConfig,
    SamplerConfig,
    StudentConfig,
    TuningConfig,
)
from upcycle.errors import ConfigError

_SMOKE = {
    "evidence": "none",
    "teacher": ClassifierConfig(width=8, blocks=1, batch=64, min_images=4_000, max_images=6_000, validate_every=0.25),
    "generator": EdmConfig(channels=(16, 16), patch=1, images=4_000, batch=64, warmup_images=1_000, snapshots=2),
    "sampler": SamplerConfig(steps=4),
    "bank": BankConfig(multiple=1, min_images=500, max_images=1_000),
    "release": ReleaseConfig(synthetic_images=100),
}

_DEMO = {
    "teacher": ClassifierConfig(width=24, blocks=1, batch=64, min_images=60_000, max_images=60_000),
    "generator": EdmConfig(channels=(48, 96), patch=1, images=150_000, batch=128, warmup_images=10_000),
    "bank": BankConfig(multiple=8, min_images=8_000, refresh=0.05),
    "release": ReleaseConfig(synthetic_images=1_000),
}

_QUICK = {
    "augment": AugmentConfig(contrast=0.3),
    "teacher": ClassifierConfig(width=32, blocks=2, epochs=11, min_images=60_000, max_images=200_000),
    "generator": EdmConfig(channels=(48, 96), images=180_000, batch=64, label_drop=0),
    "sampler": SamplerConfig(sigma_min=0.05),
    "bank": BankConfig(multiple=3, refresh=0.05),
    "student": StudentConfig(temperature=4.0),
}

_STANDARD = {
    "augment": AugmentConfig(contrast=0.3),
    "teacher": ClassifierConfig(width=32, blocks=2, epochs=16, min_images=100_000, max_images=500_000),
    "generator": EdmConfig(channels=(64, 128), images=500_000, batch=64, label_drop=0),
    "sampler": SamplerConfig(sigma_min=0.05),
    "bank": BankConfig(multiple=5, refresh=0.05),
    "student": StudentConfig(epochs=1.5, temperature=4.0),
    "plain": True,
}

_BEST = {
    "augment": AugmentConfig(contrast=0.3),
    "teacher": ClassifierConfig(width=64, blocks=3, epochs=60, min_images=400_000, max_images=4_000_000),
    "generator": EdmConfig(channels=(96, 192, 192), blocks=2, images=8_000_000, snapshots=8),
    "sampler": SamplerConfig(steps=8, sigma_min=0.05),
    "bank": BankConfig(multiple=10, max_images=1_000_000, refresh=0.2),
    "student": StudentConfig(epochs=2.0, temperature=4.0),
    "audit": AuditConfig(),
    "plain": True,
}

_PAPER = {  # for GPUs: the recipe of the predecessor GaFi as far as settings go; docs/howto/paper.md lists what differs
    "data": DataConfig(side=32),
    "augment": AugmentConfig(shift=0.125),  # 4 of 32 pixels
    "teacher": ClassifierConfig(
        width=64,
        blocks=3,
        epochs=100,
        min_images=100_000,
        max_images=10_000_000,
        weight_decay=1e-4,
        warmup=0.0,
        milestones=(0.6, 0.8),
    ),
    # not ema_decay 0.9999 as there: after 6,250 steps 59 % of it would be the weights of step 1,000
    "generator": BigGanConfig(),
    "bank": BankConfig(multiple=1, max_images=1_000_000, min_images=1_000, refresh=1.0, prior=0.0),
    "student": StudentConfig(epochs=1.0),
    "tuning": TuningConfig(  # GaFi's two searches and its values, by halving instead of with a whole student for each
        strategy="halving", settings=("sampler.snapshot", "sampler.spread"), candidates=27, images=100_000, rounds=3, grid=21
    ),
    "plain": True,
}

_SECTIONS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {"demo": _DEMO, "quick": _QUICK, "standard": _STANDARD, "best": _BEST, "paper": _PAPER, "smoke": _SMOKE}
)

_STRONG = {
    "screen.folds": 3,
    "screen.most": 0.2,
    "screen.sure": 0.9,
    "screen.apart": True,
    "screen.crossed": True,
    "teachers": 3,
    "support.passes": 20.0,
    "student.temperature": 1.0,
}

LEVELS: Mapping[str, Mapping[str, Mapping[str, object]]] = MappingProxyType(  # setting -> value -> what others start from
    {
        "privacy": {"strong": _STRONG},
        "objective": {"balanced": {"bank.prior": 0.0, "border": "chosen"}, "auroc": {"bank.prior": 0.0}},
    }
)


def of_levels(values: Mapping[str, Any]) -> dict[str, Any]:
    """What the levels named in `values` start from, as mappings of mappings; an unknown level is refused later."""
    found: dict[str, Any] = {}
    for setting, levels in LEVELS.items():
        found |= levels.get(str(values.get(setting)), {})
    return nested(found)


def on_preset(values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` of a Config over those of the preset, privacy and objective that they name; `quick` where they name no preset.
    Raises ConfigError for an unknown preset."""
    name = values.get("preset", "quick")
    if not isinstance(name, str) or name not in _SECTIONS:
        raise ConfigError(f"preset must be one of {', '.join(_SECTIONS)}. Got {name!r}.{near(str(name), list(_SECTIONS))}")
    return {**_over(_over(_SECTIONS[name], of_levels(values)), values), "preset": name}


def nested(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by dotted names as mappings of mappings. Raises ConfigError where one name is given twice."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        *parents, last = name.split(".")
        inner = found
        for parent in parents:
            inner = inner.setdefault(parent, {})
            if not isinstance(inner, dict):
                raise ConfigError(f"setting {name} must be given once. Got {parent} as a whole too. Leave one out.")
        inner[last] = dict(value) if isinstance(value, Mapping) else value
    return found


def _over(sections: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    return {**sections, **{key: _merged(sections.get(key), value) for key, value in values.items()}}


def _merged(section: Any, value: Any) -> Any:
    """A mapping changes single settings of a section; another family of generators starts from its own defaults."""
    if not isinstance(value, Mapping) or section is None:
        return value
    before = section.model_dump() if isinstance(section, BaseModel) else section
    family = value.get("family", before.get("family"))
    if family == before.get("family"):
        return {**before, **value}
    return {**FAMILIES[family]().model_dump(), **value} if family in FAMILIES else dict(value)


PRESETS: Mapping[str, Config] = MappingProxyType({name: Config(preset=name) for name in _SECTIONS})
