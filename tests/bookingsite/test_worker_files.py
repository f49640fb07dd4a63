"""The files in which processes count: added up when one dies, never while another reads."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.parser import text_string_to_metric_families

from bookingsite import worker_files
from bookingsite.worker_files import bury, reading


@pytest.fixture(autouse=True)
def _nobody_waits() -> None:
    worker_files._waiting.clear()


Count = Callable[..., None]


@pytest.fixture
def count(tmp_path: Path) -> Count:
    """Counts `by` for a process, in a file like those of the library."""

    def count(pid: int, by: float, *, kind: str = "counter", labels: str = "a") -> None:
        file = MmapedDict(str(tmp_path / f"{kind}_{pid}.db"))
        name = {"counter": "done_total", "histogram": "took_bucket"}.get(kind, "open")
        label = {"histogram": ("le", "+Inf")}.get(kind, ("what", labels))
        key = mmap_key(name.rpartition("_")[0] or name, name, [label[0]], [label[1]], "Help.")
        file.write_value(key, file.read_value(key)[0] + by, 0.0)
        file.close()

    return count


def read(folder: Path) -> dict[str, float]:
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(folder))
    return {
        "/".join([sample.name, *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(generate_latest(registry).decode())
        for sample in family.samples
    }


def files(folder: Path) -> set[str]:
    return {file.name for file in folder.glob("*.db")}


def test_keeps_the_counts_of_the_dead_in_one_file(tmp_path: Path, count: Count) -> None:
    for pid in range(11, 15):
        count(pid, 2.5)
        count(pid, 1, labels="b")
        count(pid, 3, kind="histogram")
    before = read(tmp_path)

    for pid in range(11, 14):
        bury(str(tmp_path), pid, living=[14])

    assert before["done_total/a"] == 10
    assert read(tmp_path) == before
    assert files(tmp_path) == {f"{k}_{n}.db" for k in ("counter", "histogram") for n in (0, 14)}


def test_forgets_what_the_dead_had_open(tmp_path: Path, count: Count) -> None:
    count(11, 1, kind="gauge_livesum")
    count(12, 1, kind="gauge_livesum")

    bury(str(tmp_path), 11, living=[12])

    assert files(tmp_path) == {"gauge_livesum_12.db"}


def test_waits_for_no_reader_and_makes_up_for_it_at_the_next_death(
    tmp_path: Path, count: Count
) -> None:
    count(11, 1)
    count(12, 1)

    with reading(str(tmp_path)):
        bury(str(tmp_path), 11, living=[12])
        assert files(tmp_path) == {"counter_11.db", "counter_12.db"}
    bury(str(tmp_path), 12, living=[])

    assert files(tmp_path) == {"counter_0.db"}
    assert read(tmp_path) == {"done_total/a": 2}


def test_leaves_the_files_of_a_new_process_with_a_dead_ones_number(
    tmp_path: Path, count: Count
) -> None:
    count(11, 1)
    count(12, 1)
    with reading(str(tmp_path)):
        bury(str(tmp_path), 11, living=[12])

    bury(str(tmp_path), 12, living=[11])

    assert files(tmp_path) == {"counter_0.db", "counter_11.db"}


def test_lets_nobody_read_while_it_adds_up(tmp_path: Path) -> None:
    with (
        worker_files._alone(str(tmp_path)),
        (tmp_path / "lock").open("a") as lock,
        pytest.raises(BlockingIOError),
    ):
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)


def test_buries_a_process_that_died_before_it_counted(tmp_path: Path, count: Count) -> None:
    (tmp_path / "counter_11.db").touch()
    count(12, 1)

    bury(str(tmp_path), 11, living=[12])

    assert files(tmp_path) == {"counter_12.db"}


def test_spares_the_master_what_goes_wrong(tmp_path: Path) -> None:
    bury(str(tmp_path / "gone"), 11, living=[])


def test_removes_folders_that_nobody_uses_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    used = Path(worker_files.make_folder())
    left, young = tmp_path / f"{worker_files.PREFIX}left", tmp_path / f"{worker_files.PREFIX}young"
    other = tmp_path / "somebody-else"
    for folder in (left, young, other):
        folder.mkdir()
        (folder / "counter_11.db").touch()
    for folder in (used, left, other):
        os.utime(folder, (0, 0))

    made = Path(worker_files.make_folder())

    assert set(tmp_path.iterdir()) == {used, young, other, made}
    worker_files.remove_folder(str(made))
    assert not made.exists()
