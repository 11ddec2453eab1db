"""Settings, memory, spool and answer of a collector as ``scenetrail doctor`` sees them."""

import http.server
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from collector import doctor_machine
from collector.settings import Settings

SMALL = Settings(spool_max_bytes=2_000_000, spool_segment_bytes=200_000, spool_reserve_bytes=0)


def segment(folder: Path, content: bytes = b"SCNTRLS1", name: str = "1-a.spool") -> Path:
    path = folder / "spool" / "worker-000" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_spool_that_is_not_there_yet_is_ok(tmp_path: Path) -> None:
    assert doctor_machine.check_spool(tmp_path / "absent", SMALL).level == "ok"


def test_spool_in_use_is_ok_and_measured(tmp_path: Path) -> None:
    segment(tmp_path)

    finding = doctor_machine.check_spool(tmp_path, SMALL)

    assert finding.level == "ok"
    assert "in 1 files" in finding.found


def test_events_that_wait_for_long_are_told(tmp_path: Path) -> None:
    path = segment(tmp_path)
    old_s = time.time() - 3_600
    os.utime(path, (old_s, old_s))

    finding = doctor_machine.check_spool(tmp_path, SMALL)

    assert finding.level == "warning"
    assert "60 minutes" in finding.found
    assert "insert_failed" in finding.advice


def test_file_of_another_version_is_a_problem(tmp_path: Path) -> None:
    path = segment(tmp_path, b"SCNTRLS9 in a later format")

    finding = doctor_machine.check_spool(tmp_path, SMALL)

    assert finding.level == "problem"
    assert str(path) in finding.found


def test_bytes_set_aside_are_told(tmp_path: Path) -> None:
    segment(tmp_path)
    (tmp_path / "spool" / "corrupt-worker-000-1-a-8.bin").write_bytes(b"x")

    assert "corrupt-*.bin" in doctor_machine.check_spool(tmp_path, SMALL).found


@pytest.mark.parametrize(
    ("changed", "level", "advice"),
    [
        ({"spool_reserve_bytes": 2**60}, "problem", "free some space"),
        ({"spool_max_bytes": 2**60}, "warning", "SCENETRAIL_SPOOL_MAX_BYTES"),
        ({"spool_segment_bytes": 1_500_000}, "warning", "SCENETRAIL_SPOOL_SEGMENT_BYTES"),
        ({"workers": 8}, "warning", "SCENETRAIL_SPOOL_SEGMENT_BYTES"),
    ],
)
def test_limits_that_do_not_fit_the_disk_or_one_another_are_told(
    tmp_path: Path, changed: dict[str, int], level: str, advice: str
) -> None:
    finding = doctor_machine.check_spool(tmp_path, msgspec.structs.replace(SMALL, **changed))

    assert finding.level == level
    assert advice in finding.advice


def test_limits_beyond_the_memory_are_told() -> None:
    assert doctor_machine.check_memory(SMALL).level == "ok"
    large = msgspec.structs.replace(SMALL, workers=64, arriving_max_bytes=10**12)
    assert doctor_machine.check_memory(large).level == "warning"


def test_wrong_setting_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCENETRAIL_WORKERS", "many")

    (finding,) = doctor_machine.check_settings(tmp_path)

    assert finding.level == "problem"
    assert "SCENETRAIL_WORKERS" in finding.found


@pytest.fixture
def answering() -> Iterator[http.server.ThreadingHTTPServer]:
    """Can store below /good, and nowhere else."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/good/readyz" else 503)
            self.end_headers()
            self.wfile.write(b'{"error": "spool_full"}')

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_collector_is_asked_whether_it_can_store(
    answering: http.server.ThreadingHTTPServer,
) -> None:
    url = f"http://127.0.0.1:{answering.server_address[1]}"

    good, bad = (doctor_machine.check_collector(f"{url}/{name}/") for name in ("good", "bad"))

    assert good.level == "ok"
    assert (bad.level, "spool_full" in bad.found) == ("problem", True)


def test_silent_collector_is_a_warning() -> None:
    finding = doctor_machine.check_collector("http://127.0.0.1:1")

    assert finding.level == "warning"
    assert "--collector-url" in finding.advice
