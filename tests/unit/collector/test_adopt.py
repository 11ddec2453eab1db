"""The spool of a dead instance, taken over: every record once, whatever breaks off."""

import os
from pathlib import Path

import pytest

from collector import adopt as module
from collector.adopt import AdoptError, adopt
from collector.spool_folder import SpoolInUseError, lock_folder
from collector.spool_reader import SpoolReader
from tests.unit.collector.spool_bytes import FILE_HEADER, encode, record, write_segment


@pytest.fixture
def two_spools(tmp_path: Path) -> tuple[Path, Path]:
    """A spool with records 1 and 4 of one worker and 2 of another, and one with record 3."""
    for place, numbers in (
        ("dead/worker-000", (1, 4)),
        ("dead/worker-001", (2,)),
        ("own/worker-000", (3,)),
    ):
        data = FILE_HEADER + b"".join(encode(record(number)) for number in numbers)
        write_segment(tmp_path / place, data, f"{numbers[0]:016d}-00")
    return tmp_path / "dead", tmp_path / "own"


def ids(folder: Path) -> list[int]:
    """Numbers of all records that a writer which starts now would store, in its order."""
    reader = SpoolReader(folder)
    found: list[int] = []
    while True:
        records, positions = reader.read(1_000_000)
        if not positions:
            reader.close()
            return found
        found += [int(one.request_id.rpartition("-")[2]) for one in records]


def test_records_of_all_workers_are_read_by_the_other_writer_in_their_order(
    two_spools: tuple[Path, Path],
) -> None:
    dead, own = two_spools
    if os.geteuid() == 0:  # root adopts for the collector's user
        os.chown(own, 65_534, 65_534)
    size = sum(path.stat().st_size for path in dead.glob("*/*.spool"))

    adopted = adopt(dead, own)

    assert (adopted.segments, adopted.size_bytes) == (2, size)
    assert ids(own) == [1, 2, 3, 4]
    assert ids(dead) == []
    assert adopt(dead, own).segments == 0
    assert {path.stat().st_uid for path in own.glob("adopted-*/**")} == {own.stat().st_uid}
    assert [path.stat().st_mode & 0o777 for path in own.glob("adopted-*/*.spool")] == [0o600] * 2


def test_a_writer_that_runs_finds_them(two_spools: tuple[Path, Path]) -> None:
    dead, own = two_spools
    reader = SpoolReader(own)
    assert len(reader.read(1_000_000)[0]) == 1

    adopt(dead, own)

    assert len(reader.read(1_000_000)[0]) == 3
    reader.close()


def test_broken_off_between_two_files_it_is_repeated(
    two_spools: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    dead, own = two_spools
    copied: list[Path] = []

    def copy_one(path: Path, to: Path) -> None:
        if copied:
            raise OSError("disk full")
        copied.append(path)
        copy(path, to)

    copy = module._copy
    monkeypatch.setattr(module, "_copy", copy_one)
    with pytest.raises(OSError, match="disk full"):
        adopt(dead, own)
    monkeypatch.undo()

    assert adopt(dead, own).segments == 1
    assert ids(own) == [1, 2, 3, 4]


def test_a_living_instance_is_not_robbed(tmp_path: Path, two_spools: tuple[Path, Path]) -> None:
    dead, own = two_spools
    writer = SpoolReader(dead)
    with pytest.raises(SpoolInUseError):
        adopt(dead, own)
    writer.close()
    worker = lock_folder(dead / "worker-001")
    with pytest.raises(SpoolInUseError):
        adopt(dead, own)

    assert worker
    assert ids(own) == [3]
    with pytest.raises(AdoptError, match="own spool"):
        adopt(own, own)
    with pytest.raises(AdoptError, match="is no spool"):
        adopt(tmp_path / "nothing", own)
