"""Pieces of work on this machine, and engines that cannot be used."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from tests.engine.pieces import add, die, die_once, refuse
from upcycle.engine import check_engine, fan_out, workers_of
from upcycle.errors import ConfigError, ResourceError


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_piece_comes_back_with_its_place(jobs: int) -> None:
    assert sorted(fan_out(add, 10, [3, 1, 2], jobs=jobs)) == [(0, 13), (1, 11), (2, 12)]
    assert not list(fan_out(add, 10, [], jobs=jobs))


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_of_a_piece_keeps_its_problems(jobs: int) -> None:
    with pytest.raises(ConfigError) as caught:
        list(fan_out(refuse, 0, [1], jobs=jobs) if jobs == 1 else fan_out(refuse, 0, [1, 1], jobs=jobs))
    assert len(caught.value.problems) == 2


def test_a_process_that_dies_is_replaced_and_only_its_pieces_are_done_again(tmp_path: Path) -> None:
    assert sorted(fan_out(die_once, tmp_path, range(8), jobs=2)) == [(k, k) for k in range(8)]


def test_a_piece_that_kills_every_process_ends_in_one_line() -> None:
    with pytest.raises(ResourceError, match=r"3 dead ones in a row\. .* fewer --jobs"):
        list(fan_out(die, None, [0, 1], jobs=2))


@pytest.mark.parametrize(
    "name", ["", "loky", "ray", "ray://", "ray://head", "dask://host:99999", "ray://head:1/x", "http://a:1"]
)
def test_unknown_engine_is_one_line(name: str) -> None:
    with pytest.raises(ConfigError, match=r"engine must be local, ray://HOST:PORT or dask://HOST:PORT\. Got"):
        check_engine(name)


@pytest.mark.parametrize("library", ["ray", "dask"])
def test_an_address_nobody_answers_at_is_one_line_within_seconds(library: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ConfigError, match=f"an address that answers. Got none at {library}://127.0.0.1:{port}"):
        next(fan_out(add, 0, [1], engine=f"{library}://127.0.0.1:{port}"))


@pytest.mark.parametrize(("library", "module"), [("ray", "ray"), ("dask", "distributed")])
def test_missing_library_names_the_extra(library: str, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match=rf"pip install 'upcycle\[{library}\]'"):
        check_engine(f"{library}://127.0.0.1:1")


def test_no_more_workers_than_pieces_and_at_least_one() -> None:
    assert [workers_of("local", jobs, pieces) for jobs, pieces in ((3, 2), (1, 5), (4, 0))] == [2, 1, 1]
