"""From preset, file, overrides and flags to one configuration: who wins, what is refused, and in which words."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from upcycle._presets import PRESETS
from upcycle._settings import differences, resolve, setting_names, telling, to_yaml
from upcycle.config import Config, DataConfig, EdmConfig, GanConfig, MixConfig, MixMember
from upcycle.errors import ConfigError


def problems(*overrides: str, preset: str | None = "quick", config_file: Path | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        resolve(preset, config_file=config_file, overrides=overrides)
    return list(caught.value.problems)


def test_every_preset_is_named_after_itself_and_comes_back_unchanged() -> None:
    for name, preset in PRESETS.items():
        assert preset.preset == name
        assert resolve(name, config_file=None, overrides=()) == preset


def test_flag_beats_override_beats_file_beats_preset(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("seed: 1\nminutes: 10\ngenerator:\n  images: 1000\n  batch: 32\n")
    found = resolve("quick", config_file=file, overrides=["generator.images=2000", "minutes=20"], minutes=30.0, seed=None)
    assert (found.seed, found.minutes, found.generator.images, found.generator.batch) == (1, 30.0, 2000, 32)
    assert found.teacher == PRESETS["quick"].teacher


def test_preset_named_in_a_file_is_taken_whole_and_not_as_a_label(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("preset: best\nseed: 3\n")
    found = resolve(None, config_file=file, overrides=())
    assert found.generator == PRESETS["best"].generator and found.seed == 3
    assert resolve(None, config_file=None, overrides=()).preset == "quick"


@pytest.mark.parametrize("preset", list(PRESETS))
def test_written_configuration_reads_back_equal(preset: str, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(to_yaml(PRESETS[preset]))
    assert resolve("quick", config_file=file, overrides=()) == PRESETS[preset]


@given(name=st.sampled_from(setting_names()))
def test_every_setting_can_be_set_to_what_it_is(name: str) -> None:
    value: object = PRESETS["standard"]
    for part in name.split("."):
        value = getattr(value, part)
    text = yaml.safe_dump(list(value) if isinstance(value, tuple) else value, default_flow_style=True)
    assert (
        resolve("standard", config_file=None, overrides=[f"{name}={text.removesuffix('...').strip()}"]) == PRESETS["standard"]
    )


def test_numbers_in_scientific_notation_are_numbers() -> None:
    assert resolve("quick", config_file=None, overrides=["generator.lr=2e-4"]).generator.lr == 2e-4


@pytest.mark.parametrize(
    ("override", "line"),
    [
        (
            "generator.chanels=3",
            "setting generator.chanels must be a known one. Got 'chanels'. Did you mean 'generator.channels'?",
        ),
        (
            "generater.images=3",
            "setting generater.images must be a known one. Got 'images'. Did you mean 'generator.images'?",
        ),
        ("bank.refresh=2", "setting bank.refresh must be less than or equal to 1. Got 2. See docs/settings.md."),
        ("teacher.width=2.5", "setting teacher.width must be a whole number. Got 2.5. See docs/settings.md."),
        ("teacher.lr=fast", "setting teacher.lr must be a number. Got 'fast'. See docs/settings.md."),
        ("student.labels=firm", "setting student.labels must be one of soft, hard. Got 'firm'. See docs/settings.md."),
        (
            "generator.channels=64,128",
            "setting generator.channels must be a list such as [64, 128]. Got '64,128'. See docs/settings.md.",
        ),
        ("generator.channels=[]", "setting generator.channels must be a list of at least 1. Got []. See docs/settings.md."),
        ("generator=3", "setting generator must be a group of settings. Got 3. See docs/settings.md."),
        ("plain=perhaps", "setting plain must be true or false. Got 'perhaps'. See docs/settings.md."),
        ("generator.p_mean=nan", "setting generator.p_mean must be a finite number. Got nan. See docs/settings.md."),
        ("seed=[1", "setting seed must be a whole number. Got '[1'. See docs/settings.md."),
        ("seed", "--set must be name=value. Got 'seed'. For example --set generator.images=200000."),
    ],
)
def test_bad_setting_is_one_plain_line(override: str, line: str) -> None:
    assert problems(override) == [line]


def test_all_problems_come_at_once() -> None:
    assert len(problems("generator.chanels=3", "bank.refresh=2", "teacher.width=1", "x")) == 4


def test_unknown_preset_names_the_nearest() -> None:
    assert problems(preset="standart") == [
        "preset must be one of demo, quick, standard, best, paper, smoke. Got 'standart'. Did you mean 'standard'?"
    ]


@pytest.mark.parametrize("text", ["[1, 2]", "a: [", "a: !!python/object/apply:os.system ['true']", "\xff"])
def test_file_that_is_no_mapping_of_settings_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_bytes(text.encode("latin-1"))
    (line,) = problems(config_file=file)
    assert line.startswith("config must be a ") and "Got " in line


def test_missing_file_is_one_line(tmp_path: Path) -> None:
    (line,) = problems(config_file=tmp_path / "nowhere.yaml")
    assert line.startswith("config must be a readable file. Got ")


def test_differences_name_the_settings_and_nothing_else() -> None:
    old = PRESETS["quick"]
    new = old.model_copy(update={"generator": old.generator.model_copy(update={"images": 7})})
    assert differences(old, new) == [f"generator.images: {old.generator.images} -> 7"]
    assert differences(old, old) == []


def test_configuration_cannot_be_changed_after_the_fact() -> None:
    with pytest.raises(ValidationError):
        Config().seed = 1  # type: ignore[misc]


def test_file_whose_aliases_would_grow_without_end_is_refused_at_once(tmp_path: Path) -> None:
    file = tmp_path / "laughs.yaml"
    keys = "abcdefghij"
    lines = ["a: &a {" + ", ".join(f"{k}: 1" for k in keys) + "}"]
    lines += [
        f"{new}: &{new} {{" + ", ".join(f"{k}: *{old}" for k in keys) + "}"
        for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    ]
    file.write_text("\n".join(lines))
    (line,) = problems(config_file=file)
    assert line.startswith("config must spell out its values. Got YAML aliases")


@pytest.mark.parametrize("preset", PRESETS)
def test_preset_is_the_same_whoever_asks_for_it(preset: str, tmp_path: Path) -> None:
    """Stages are keyed by the text of the settings, so a run that Python began must go on from the command line."""
    asked = [
        Config(preset=preset),
        Config.from_preset(preset),
        PRESETS[preset],
        resolve(preset, config_file=None, overrides=()),
    ]
    (tmp_path / "config.yaml").write_text(to_yaml(asked[0]))
    asked.append(resolve(None, config_file=tmp_path / "config.yaml", overrides=()))
    assert len({json.dumps(config.model_dump(), sort_keys=True) for config in asked}) == 1


def test_default_configuration_is_the_quick_preset() -> None:
    assert Config() == Config(preset="quick") and Config().generator.images == PRESETS["quick"].generator.images


def test_sections_as_mappings_change_single_settings_of_the_preset() -> None:
    quick = PRESETS["quick"]
    changed = Config(preset="quick", generator={"images": 1_500}, student={"epochs": 2})
    assert changed.generator == quick.generator.model_copy(update={"images": 1_500})
    assert changed.student == quick.student.model_copy(update={"epochs": 2.0}) and changed.teacher == quick.teacher
    assert Config(preset="quick", generator={"family": "gan", "lr": 0.01}).generator == GanConfig(lr=0.01)
    assert Config.from_preset("quick", **{"generator.images": 1_500, "student.epochs": 2}) == changed
    assert Config.from_preset("best", privacy="strong", student={"temperature": 2}).student.temperature == 2


@pytest.mark.parametrize(
    ("make", "lines"),
    [
        (lambda: Config(generator={"images": -1}, teacher={"width": 2}), ["setting generator.images", "setting teacher.width"]),
        (lambda: Config(seeed=3), ["setting seeed must be a known one. Got 'seeed'. Did you mean 'seed'?"]),
        (lambda: Config(generator={"imges": 3}), ["Did you mean 'generator.images'?"]),
        (lambda: Config(preset="quik"), ["preset must be one of demo, quick"]),
        (lambda: Config(generator={"family": "gann"}), ["must be one of edm, gan, biggan, mix"]),
        (lambda: Config(generator=3), ["setting generator must be a group of settings. Got 3"]),
        (lambda: EdmConfig(images="many"), ["setting images must be a whole number. Got 'many'"]),
        (lambda: DataConfig(side=4), ["setting side must be"]),
        (
            lambda: Config.from_preset("quick", generator={"images": 5}, **{"generator.images.deep": 6}),
            ["generator.images.deep"],
        ),
    ],
)
def test_wrong_settings_in_python_are_our_lines(make: Callable[[], object], lines: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        make()
    assert len(caught.value.problems) == len(lines)
    for line in lines:
        assert any(line in problem for problem in caught.value.problems), caught.value.problems
    assert "pydantic" not in str(caught.value)


def test_keys_tell_a_new_setting_only_where_it_is_not_at_its_default() -> None:
    """Runs and frontiers that took hours are keyed by what is told."""
    usual, floor = Config(), Config(generator={"noise_floor": 0.2})
    new = {"noise_floor", "skip_low_loss", "gap_stop"}
    assert not new & set(telling(usual.model_dump())["generator"])
    assert new & set(telling(floor.model_dump())["generator"]) == {"noise_floor"}
    mix = Config(generator=MixConfig(members=(MixMember(), MixMember(generator=EdmConfig(skip_low_loss=0.5)))))
    told = [set(member["generator"]) & new for member in telling(mix.model_dump())["generator"]["members"]]
    assert told == [set(), {"skip_low_loss"}]
    assert telling(usual.model_dump())["release"] == {"synthetic_images": 2_000}


def test_an_objective_is_where_its_settings_start_and_any_of_them_may_differ() -> None:
    assert resolve("quick", config_file=None, overrides=(), objective="balanced").border == "chosen"
    assert resolve("quick", config_file=None, overrides=["objective=balanced", "bank.prior=1"]).bank.prior == 1
    both = Config.from_preset("quick", objective="auroc", privacy="strong")
    assert (both.bank.prior, both.screen.folds) == (0, 3)
    assert Config.from_preset("quick", objective="accuracy") == PRESETS["quick"]


def test_levels_of_labels_that_are_hard_are_refused_and_not_passed_over() -> None:
    with pytest.raises(ConfigError, match=r"student\.levels must be 0 where student.labels is hard"):
        Config(student={"labels": "hard", "levels": 2})
    assert Config(student={"labels": "hard"}).student.levels == 0
