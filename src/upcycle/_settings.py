"""From a preset, a file, `--set` and flags to one configuration; and back to text and differences."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import yaml

from upcycle._bounded import DEFAULT, Aliased, opened, parse_yaml, shortened
from upcycle._presets import LEVELS, nested, of_levels
from upcycle._section import near, unknown
from upcycle.config import FAMILIES, Config
from upcycle.errors import ConfigError

_NEWEST: Final[Mapping[str, object]] = MappingProxyType(  # and their defaults
    {
        **{"objective": "accuracy", "border": "even", "robustness": False},
        **{"levels": 0, "noise_floor": 0.0, "skip_low_loss": 0.0, "gap_stop": 0.0, "distilled": 0, "programs": True},
    }
)


def resolve(preset: str | None, *, config_file: Path | None, overrides: Sequence[str], **direct: object) -> Config:
    """The preset, changed by privacy and objective, the YAML file, `a.b=value` overrides and `direct` values that are not None.

    A preset or level named in the file or an override is the one that is changed; without any, `quick` and `usual` are.
    Raises ConfigError with every problem at once.
    """
    problems: list[str] = []
    layers = [_read_yaml(config_file) if config_file else {}, _overrides(overrides, problems)]
    layers.append({key: value for key, value in direct.items() if value is not None})
    named = [layer.pop("preset") for layer in layers if "preset" in layer]
    values = Config(preset=str([preset or "quick", *named][-1])).model_dump()
    layers.insert(0, of_levels({name: layer[name] for layer in layers for name in LEVELS if name in layer}))
    for layer in layers:
        _change_family(values, layer, problems)
        _merge(values, layer, "", problems, tuple(name for name, _ in _flat(values)))
    config = _validated(values, problems)
    if problems or config is None:
        raise ConfigError(*problems)
    return config


def with_settings(config: Config, values: Mapping[str, object]) -> Config:
    """`config` with settings named as in `--set` replaced, and validated again. Raises ConfigError with every problem."""
    problems: list[str] = []
    merged = config.model_dump()
    _merge(merged, nested(values), "", problems, setting_names(config))
    changed = _validated(merged, problems)
    if problems or changed is None:
        raise ConfigError(*problems)
    return changed


def to_yaml(config: Config) -> str:
    """YAML text of every setting."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)


def bound_text(config: Config, *without: str) -> str:
    """Text that changes with every setting, `without` some sections, and with no new one at its default."""
    return yaml.safe_dump(telling(config.model_dump(mode="json", exclude=set(without))), sort_keys=False)


def telling(values: Any) -> Any:
    """`values` of settings, nested as they are, without those younger than finished runs where they are at their defaults:
    what is keyed by the rest keeps its key."""
    if isinstance(values, Mapping):
        return {name: telling(value) for name, value in values.items() if _NEWEST.get(name, values) != value}
    return [telling(value) for value in values] if isinstance(values, list | tuple) else values


def differences(old: Config, new: Config) -> list[str]:
    """One line `name: old -> new` for every setting that differs."""
    return [f"{name}: {before} -> {after}" for name, (before, after) in changes(old, new).items()]


def changes(old: Config, new: Config) -> dict[str, tuple[Any, Any]]:
    """(old, new) of every setting that differs, by its dotted name; "none" where a family of generators lacks it."""
    before, after = dict(_flat(old.model_dump())), dict(_flat(new.model_dump()))
    both = {name: (before.get(name, "none"), after.get(name, "none")) for name in [*before, *after]}
    return {name: (was, now) for name, (was, now) in both.items() if was != now}


def setting_names(config: Config | None = None) -> list[str]:
    """Every dotted setting name of `config` (None: of the default generator family)."""
    return [name for name, _ in _flat((config or Config()).model_dump())]


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        with opened(path) as file:
            found = parse_yaml(file.read(int(DEFAULT.yaml_kb * 1024) + 1).decode("utf-8")) or {}
    except OSError as error:
        raise ConfigError(f"config must be a readable file. Got {path}: {error.strerror}. Check the path.") from error
    except Aliased as error:
        raise ConfigError(
            f"config must spell out its values. Got YAML aliases in {path}. Write each value where it belongs."
        ) from error
    except ValueError as error:
        raise ConfigError(f"config must be a YAML file. Got {path}: {error}. See docs/settings.md.") from error
    if not isinstance(found, dict):
        raise ConfigError(f"config must be a mapping of settings. Got {type(found).__name__} in {path}. See docs/settings.md.")
    return found


def _overrides(texts: Sequence[str], problems: list[str]) -> dict[str, Any]:
    layer: dict[str, Any] = {}
    given: set[str] = set()
    for text in texts:
        name, mark, value = text.partition("=")
        if not mark or not name.strip():
            problems.append(f"--set must be name=value. Got {text!r}. For example --set generator.images=200000.")
            continue
        if name.strip() in given:
            problems.append(f"--set {name.strip()} must be given once. Got it twice. Leave one out.")
        given.add(name.strip())
        inner = layer
        *parents, last = name.strip().split(".")
        for parent in parents:
            if not isinstance(inner.get(parent), dict):
                inner[parent] = {}
            inner = inner[parent]
        inner[last] = _value(value)
    return layer


def _value(text: str) -> Any:
    """`text` as YAML; numbers such as 2e-3, which YAML 1.1 takes for words, become numbers."""
    try:
        value = parse_yaml(text)
    except ValueError:
        return text  # its type is wrong then, and the message shows it
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            return float(value)
    return value


def _change_family(values: dict[str, Any], layer: Mapping[str, Any], problems: list[str]) -> None:
    """Where `layer` names another family of generators, start from that family's defaults."""
    section = layer.get("generator")
    if not isinstance(section, dict) or section.get("family") in (None, values["generator"]["family"]):
        return
    family = section.pop("family")
    if isinstance(family, str) and family in FAMILIES:
        values["generator"] = FAMILIES[family]().model_dump()
    else:
        known = list(FAMILIES)
        problems.append(
            f"setting generator.family must be one of {', '.join(known)}. Got {shortened(family)}.{near(str(family), known)}"
        )


def _merge(values: dict[str, Any], layer: Mapping[str, Any], prefix: str, problems: list[str], known: Sequence[str]) -> None:
    for key, value in layer.items():
        name = f"{prefix}{key}"
        if key not in values:
            problems += _unknown(name, value, known)
        elif isinstance(value, Mapping) and not isinstance(values[key], dict):
            problems.append(f"setting {name} must be one value. Got a group of {len(value)}. See docs/settings.md.")
        elif isinstance(values[key], dict):
            if isinstance(value, Mapping):
                _merge(values[key], value, f"{name}.", problems, known)
            else:
                problems.append(f"setting {name} must be a group of settings. Got {shortened(value)}. See docs/settings.md.")
        else:
            values[key] = value


def _unknown(name: str, value: object, known: Sequence[str]) -> list[str]:
    owners = [family for family, model in FAMILIES.items() if name.removeprefix("generator.") in model.model_fields]
    if owners and name.startswith("generator."):
        return [f"setting {name} must be one of its family. Got one of {', '.join(owners)}. Set generator.family too."]
    return unknown(name, value, known)


def _validated(values: dict[str, Any], problems: list[str]) -> Config | None:
    """The configuration, or None and a line in `problems` for every value out of range."""
    try:
        return Config(**values)
    except ConfigError as error:
        problems += error.problems
        return None
