"""How the comparison counts."""

import os
import subprocess
import sys

from loadtest.compare import visible_after_ms
from loadtest.usage import descendants, usage_by_part


def test_visible_counts_from_the_acknowledgement_to_the_first_look_with_as_many():
    acknowledged = [(10.0, 50), (10.1, 100), (10.2, 150)]
    seen = [(10.05, 0), (10.3, 120), (10.9, 150)]

    late = visible_after_ms(acknowledged, seen)

    assert late["p50_ms"] == 300.0
    assert late["max_ms"] == 700.0


def test_visible_before_the_answer_is_no_negative_time():
    assert visible_after_ms([(10.0, 50)], [(9.9, 50)])["max_ms"] == 0.0


def test_visible_of_nothing_is_zero():
    assert visible_after_ms([], [])["p99_ms"] == 0.0


def test_processes_below_one_are_found_with_their_memory():
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as child:
        assert child.pid in descendants(os.getpid())
        assert usage_by_part(os.getpid())["other"].resident_bytes > 0
        child.communicate(b"\n")
