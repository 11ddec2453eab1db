"""What waits in the spool, seen from outside."""

from pathlib import Path

import pytest

from collector.spool_reader import SpoolReader
from collector.spool_waiting import CheckpointError, segment_ends, waiting_bytes
from tests.unit.collector.spool_bytes import FILE_HEADER, encode, record, write_segment


def test_stored_bytes_do_not_wait(tmp_path: Path) -> None:
    data = FILE_HEADER + encode(record(1)) + encode(record(2))
    write_segment(tmp_path / "worker-000", data)
    assert waiting_bytes(tmp_path) == len(data) - len(FILE_HEADER)

    reader = SpoolReader(tmp_path)
    _, positions = reader.read(10_000)
    ends = segment_ends(tmp_path)
    reader.confirm(positions)

    assert waiting_bytes(tmp_path) == waiting_bytes(tmp_path, ends) == 0
    write_segment(tmp_path / "worker-001", data)
    assert waiting_bytes(tmp_path, ends) == 0
    assert waiting_bytes(tmp_path) > 0
    reader.close()


def test_no_spool_holds_nothing(tmp_path: Path) -> None:
    assert waiting_bytes(tmp_path / "absent") == 0


def test_a_checkpoint_that_says_nothing_is_told(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.json").write_bytes(b"{")

    with pytest.raises(CheckpointError, match="start scenetrail"):
        waiting_bytes(tmp_path)
