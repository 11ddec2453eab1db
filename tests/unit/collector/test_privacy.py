"""When erasing must be refused."""

from pathlib import Path
from typing import Any

import pytest

from collector import privacy
from collector.privacy import Person, PrivacyError
from tests.unit.collector.spool_bytes import FILE_HEADER, encode, record, write_segment

PERSON = Person("brand", 1, [1], [("openid", "wx1", "o1")])


class NoServer:
    """A server that must not be asked."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was asked before the spool was empty")


def test_erasing_is_refused_while_events_wait_in_the_spool(tmp_path: Path) -> None:
    write_segment(tmp_path / "worker-000", FILE_HEADER + encode(record(1)))

    with pytest.raises(PrivacyError, match="Start scenetrail"):
        privacy.erase(NoServer(), tmp_path, PERSON, "openid:o1", wait_s=0)  # type: ignore[arg-type]


@pytest.mark.parametrize("asked", ["o1", "phone:1", "openid:", ":o1"])
def test_an_id_is_given_with_its_kind(asked: str) -> None:
    with pytest.raises(PrivacyError, match="kind:value"):
        privacy.find(NoServer(), "brand", asked, ["wx1"])  # type: ignore[arg-type]
