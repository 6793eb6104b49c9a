"""MedMNIST by name, against a server of our own that can cut connections, ignore ranges and lie."""

from __future__ import annotations

import hashlib
import io
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from tests.data.test_read import load, medmnist, refused
from upcycle.data.readers import _medmnist
from upcycle.data.readers._fetch import cache_folder, fetch
from upcycle.errors import DataError

CONTENT = np.random.default_rng(0).bytes(400_000)
MD5 = hashlib.md5(CONTENT).hexdigest()


class Server:
    """Serves `content` at every path, and keeps what it was asked. `cut`: how many bytes each connection gets, in turn."""

    def __init__(self) -> None:
        self.content, self.ranges, self.status = CONTENT, True, 200
        self.cut: list[int] = []
        self.seconds = 0.0  # until the answer begins
        self.asked: list[tuple[str, str | None]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        self.address = f"http://127.0.0.1:{self._http.server_address[1]}"

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        wanted = handler.headers.get("Range")
        self.asked.append((handler.path, wanted))
        time.sleep(self.seconds)
        if self.status != 200:
            handler.send_error(self.status)
            return
        start = int(wanted.split("=")[1].rstrip("-")) if wanted and self.ranges else 0
        if start >= len(self.content):
            handler.send_error(416)
            return
        body = self.content[start:]
        handler.send_response(206 if start else 200)
        handler.send_header("Content-Length", str(len(body)))
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}")
        handler.end_headers()
        handler.wfile.write(body[: self.cut.pop(0)] if self.cut else body)

    def stop(self) -> None:
        """The address refuses connections from here on. May be called twice."""
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "set.npz"


def get(server: Server, target: Path, md5: str = MD5) -> Path:
    return fetch(f"{server.address}/set.npz", md5, target)


def left(target: Path) -> set[str]:
    return {path.name for path in target.parent.iterdir() if path.suffix != ".lock"}


def test_whole_file_arrives_and_is_not_fetched_again(server: Server, target: Path) -> None:
    assert get(server, target).read_bytes() == CONTENT
    assert get(server, target).read_bytes() == CONTENT
    assert len(server.asked) == 1 and left(target) == {"set.npz"}


def test_cut_connections_go_on_where_they_ended(server: Server, target: Path) -> None:
    server.cut = [100_000, 150_000]
    assert get(server, target).read_bytes() == CONTENT
    assert [asked for _, asked in server.asked] == [None, "bytes=100000-", "bytes=250000-"]


def test_later_process_goes_on_where_an_earlier_one_died(server: Server, target: Path) -> None:
    target.parent.mkdir()
    target.with_name("set.npz.partial").write_bytes(CONTENT[:300_000])
    assert get(server, target).read_bytes() == CONTENT
    assert server.asked == [("/set.npz", "bytes=300000-")]


def test_server_without_ranges_is_read_from_the_start(server: Server, target: Path) -> None:
    server.ranges, server.cut = False, [100_000]
    assert get(server, target).read_bytes() == CONTENT
    assert len(server.asked) == 2


def test_stale_part_of_another_file_does_not_spoil_the_download(server: Server, target: Path) -> None:
    target.parent.mkdir()
    target.with_name("set.npz.partial").write_bytes(b"x" * 300_000)
    assert get(server, target).read_bytes() == CONTENT
    target.unlink()
    target.with_name("set.npz.partial").write_bytes(b"x" * 500_000)  # longer than the file: HTTP 416
    assert get(server, target).read_bytes() == CONTENT


def test_corrupted_download_is_refused_and_not_kept(server: Server, target: Path) -> None:
    server.content = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
    with pytest.raises(DataError, match="official file") as caught:
        get(server, target)
    assert "removed" in str(caught.value) and left(target) == set() and len(caught.value.problems) == 1


def test_file_in_the_cache_that_rotted_is_refused_and_left_alone(server: Server, target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(CONTENT[:-5])
    with pytest.raises(DataError, match="Delete it"):
        get(server, target)
    assert target.read_bytes() == CONTENT[:-5] and not server.asked


def test_file_in_a_cache_that_may_only_be_read_needs_no_lock(server: Server, target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(CONTENT)
    get(server, target)
    assert [path.name for path in target.parent.iterdir()] == ["set.npz"]


def test_part_is_kept_where_the_network_goes_away_for_good(server: Server, target: Path) -> None:
    server.cut = [100_000, 0, 0, 0, 0]
    with pytest.raises(DataError, match=r"connection was cut. The same command continues after 0.1 MB"):
        get(server, target)
    assert left(target) == {"set.npz.partial"}
    assert get(server, target).read_bytes() == CONTENT


def test_no_network_and_no_such_file_are_one_line(server: Server, target: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{free.getsockname()[1]}/set.npz"
    with pytest.raises(DataError, match=r"refused. Connect, or put the file into .*cache\.$") as caught:
        fetch(closed, MD5, target)
    assert len(caught.value.problems) == 1
    server.status = 404
    with pytest.raises(DataError, match="HTTP 404"):
        get(server, target)
    assert left(target) == set()


def test_server_that_sends_without_end_is_stopped(server: Server, target: Path) -> None:
    with pytest.raises(DataError, match="must come from"):
        fetch(f"{server.address}/set.npz", MD5, target, most_bytes=100_000)
    assert not target.exists()


def test_two_processes_fetch_a_file_once(server: Server, target: Path) -> None:
    server.seconds = 1.0
    script = f"from pathlib import Path; from upcycle.data.readers._fetch import fetch; fetch({server.address + '/x'!r}, {MD5!r}, Path({str(target)!r}))"
    processes = [subprocess.Popen([sys.executable, "-c", script]) for _ in range(2)]
    assert [process.wait(60) for process in processes] == [0, 0]
    assert len(server.asked) == 1 and target.read_bytes() == CONTENT


Publish = Callable[[str, dict[str, np.ndarray]], None]


@pytest.fixture
def publish(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Publish:
    """Makes `server` the mirror of a set whose official MD5 is that of the arrays given."""
    monkeypatch.setenv("UPCYCLE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("UPCYCLE_MEDMNIST", server.address)
    table = json.loads((files("upcycle.data") / "medmnist.json").read_text(encoding="utf-8"))
    monkeypatch.setattr(_medmnist, "_table", lambda: table)

    def put(name: str, arrays: dict[str, np.ndarray]) -> None:
        archive = io.BytesIO()
        np.savez(archive, **arrays)
        server.content = archive.getvalue()
        set_name, _, size = name.partition("_")
        table["sets"][set_name]["md5"][size or "28"] = hashlib.md5(server.content).hexdigest()

    return put


@pytest.mark.parametrize(("name", "task"), [("pneumoniamnist", "binary"), ("octmnist", "multi"), ("retinamnist", "ordinal")])
def test_named_set_is_fetched_read_and_then_read_without_a_network(
    server: Server, publish: Publish, name: str, task: str
) -> None:
    classes = len(_medmnist._table()["sets"][name]["classes"])
    labels = {f"{s}_labels": (np.arange(n) % classes)[:, None] for s, n in (("train", 120), ("val", 30), ("test", 60))}
    publish(name, medmnist(**labels))
    dataset = load(f"medmnist:{name}")
    assert dataset.name == name and dataset.class_names == tuple(_medmnist._table()["sets"][name]["classes"])
    assert any("licence CC BY 4.0" in note for note in dataset.notes)
    server.stop()
    assert np.array_equal(load(f"medmnist:{name.upper()}").train.images, dataset.train.images)


def test_sizes_are_files_of_their_own(server: Server, publish: Publish) -> None:
    publish(
        "octmnist_64", medmnist(**{f"{s}_labels": np.arange(n) % 4 for s, n in (("train", 120), ("val", 30), ("test", 60))})
    )
    assert load("medmnist:octmnist_64").name == "octmnist_64"
    assert server.asked[0][0] == "/octmnist_64.npz"
    assert (cache_folder() / "medmnist" / "octmnist_64.npz").exists()


def test_sets_of_several_labels_or_three_dimensions_are_refused_before_a_download(server: Server, publish: Publish) -> None:
    refused("medmnist:chestmnist", "one class per image. Got chestmnist")
    refused("medmnist:organmnist3d", "two-dimensional")
    assert not server.asked


def test_unknown_set_and_size_are_named_with_the_nearest() -> None:
    refused("medmnist:bloodmnst", "Did you mean 'bloodmnist'")
    refused("medmnist:bloodmnist_32", "one of 28, 64, 128, 224")
    refused("medmnist:", "medmnist set must be one of pathmnist")
    refused("medmnist:../../etc/passwd", "medmnist set must be one of")


def test_mirror_that_is_no_web_address_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPCYCLE_CACHE", str(tmp_path))
    monkeypatch.setenv("UPCYCLE_MEDMNIST", f"file://{tmp_path}")
    refused("medmnist:bloodmnist", "http or https")


def test_table_is_that_of_the_twelve_official_flat_sets() -> None:
    sets = _medmnist._table()["sets"]
    assert len(sets) == 12 and all(set(facts["md5"]) == {"28", "64", "128", "224"} for facts in sets.values())
    md5s = [md5 for facts in sets.values() for md5 in facts["md5"].values()]
    assert len(set(md5s)) == 48 and all(len(md5) == 32 and int(md5, 16) >= 0 for md5 in md5s)
    tasks = {name for name, facts in sets.items() if facts["task"].startswith("multi-label")}
    assert tasks == {"chestmnist"}


def test_local_copy_of_an_official_set_has_the_md5_of_the_table(real_data: Path) -> None:
    content = (real_data / "retinamnist.npz").read_bytes()
    assert hashlib.md5(content).hexdigest() == _medmnist._table()["sets"]["retinamnist"]["md5"]["28"]
