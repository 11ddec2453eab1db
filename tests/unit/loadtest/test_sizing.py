"""What so many events need, and the page that says it."""

from itertools import pairwise
from pathlib import Path

import pytest

from loadtest import sizing

PAGE = Path(__file__).parents[3] / "collector" / "SIZING.md"


def test_the_page_holds_what_the_command_prints():
    page = PAGE.read_text()

    for table in sizing.tables().split("\n\n"):
        assert table.strip() in page, "python -m loadtest sizing"


@pytest.mark.parametrize(("millions", "measured_us"), [(5, 13.3), (15, 17.5), (25, 18.5)])
def test_merges_cost_what_thirty_million_events_in_a_row_cost(millions, measured_us):
    """The thirds of DESIGN-speed.md, "Thirty million in one run"."""
    assert sizing.insert_us(millions * 1e6) == pytest.approx(measured_us, rel=0.05)


def test_more_events_need_no_less():
    for fewer, more in pairwise(sizing.needs(size) for size in sizing.SIZES):
        assert more.collectors >= fewer.collectors
        assert more.shards >= fewer.shards
        assert more.insert_cores > fewer.insert_cores
