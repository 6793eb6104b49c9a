"""Energy from counters of a made-up machine: sums, wrap-around, and counters that nobody may read."""

from __future__ import annotations

from pathlib import Path

import pytest

from upcycle.runs.folder._resources import EnergyMeter, metered
from upcycle.runs.folder._stages import StageRecord, read_record, run_stage
from upcycle.runs.stages import energy_used


def package(folder: Path, name: str, microjoules: int) -> Path:
    zone = folder / name
    zone.mkdir(exist_ok=True)
    (zone / "energy_uj").write_text(f"{microjoules}\n")
    (zone / "max_energy_range_uj").write_text("1000000000\n")
    return zone


def test_joules_of_all_packages_are_added_and_those_of_their_parts_are_not(tmp_path: Path) -> None:
    for name in ("intel-rapl:0", "intel-rapl:1", "intel-rapl:0:0"):
        package(tmp_path, name, 100)
    meter = EnergyMeter(tmp_path)
    package(tmp_path, "intel-rapl:0", 2_000_100)
    package(tmp_path, "intel-rapl:1", 3_000_100)
    package(tmp_path, "intel-rapl:0:0", 900_000_000)
    assert meter.joules() == 5.0


def test_counter_that_wraps_round_loses_nothing(tmp_path: Path) -> None:
    package(tmp_path, "intel-rapl:0", 999_000_000)
    meter = EnergyMeter(tmp_path)
    package(tmp_path, "intel-rapl:0", 1_000_000)
    assert meter.joules() == 2.0
    package(tmp_path, "intel-rapl:0", 4_000_000)
    assert meter.joules() == 5.0


def test_machine_without_a_readable_counter_has_no_joules(tmp_path: Path) -> None:
    (tmp_path / "intel-rapl:0").mkdir()
    assert EnergyMeter(tmp_path).joules() is None and EnergyMeter(tmp_path / "none").joules() is None
    with metered(tmp_path) as meter:
        assert meter.joules() is None


def test_block_is_metered_to_its_end(tmp_path: Path) -> None:
    package(tmp_path, "intel-rapl:0", 0)
    with metered(tmp_path) as meter:
        package(tmp_path, "intel-rapl:0", 7_000_000)
        assert meter.joules() == 7.0


def test_stage_in_two_attempts_claims_no_measured_energy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counters = tmp_path / "counters"
    counters.mkdir()
    package(counters, "intel-rapl:0", 0)
    monkeypatch.setattr("upcycle.runs.folder._stages.metered", lambda: metered(counters))
    for name in ("stopped", "whole"):
        (tmp_path / name).mkdir()
    with pytest.raises(KeyboardInterrupt):
        run_stage(tmp_path / "stopped", "k", lambda: (_ for _ in ()).throw(KeyboardInterrupt))
    for name in ("stopped", "whole"):
        run_stage(tmp_path / name, "k", dict)
    found = [read_record(tmp_path / name) for name in ("stopped", "whole")]
    assert [record.joules for record in found if record] == [None, 0.0]


def test_energy_is_measured_only_where_every_stage_was() -> None:
    counted = {"a": StageRecord("k", 36.0, {}, 7.2e6), "b": StageRecord("k", 36.0, {}, 3.6e6)}
    found = energy_used(counted, 100.0)
    assert found.measured and found.kwh == {"a": 2.0, "b": 1.0}
    mixed = energy_used({**counted, "b": StageRecord("k", 36.0, {}, None)}, 100.0)
    assert not mixed.measured and mixed.watts == 100.0 and mixed.kwh == {"a": 0.001, "b": 0.001}
