"""
Programs of others against ours: schemathesis on both OpenAPI documents, slowhttptest beside ordinary clients.

Run by ``make soak-programs``, which installs schemathesis beside the project; slowhttptest is a package of Debian. What
a run taught stands in collector/README.md, "Tried with outside material".
"""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.client import Load, make_batch, make_event, seeded, sending
from tests.faults.collector_process import System
from tests.integration.standalone_process import Standalone

ROOT = Path(__file__).parents[2]
EXAMPLES = os.environ.get("SCENETRAIL_SCHEMATHESIS_EXAMPLES", "50")
SLOW = {
    # How slowhttptest calls it: what it does, and its arguments beside the number of connections.
    "slow headers": ["-H", "-i", "5"],
    "slow body": ["-B", "-s", "8192", "-t", "POST", "-i", "5"],
    "slow reading": ["-X", "-w", "1", "-y", "2", "-n", "1", "-z", "1", "-k", "3"],
}


@pytest.fixture(scope="module")
def standalone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standalone]:
    one = Standalone(tmp_path_factory.mktemp("programs") / "data").wait_ready()
    yield one
    one.end()


def schemathesis(document: str, url: str, header: str, phases: str, folder: Path) -> str:
    """
    Run it; fail with its report when something is wrong.

    One check is off: a document cannot say that ``Content-Encoding`` must fit the body, that ``app_id`` must be the
    key's, or that a filter must compile, so not all that it allows is accepted. Another takes 413 for a refusal as well.
    """
    program = os.environ.get("SCENETRAIL_SCHEMATHESIS", "")
    assert program, "start it with `make soak-programs`"
    config = folder / "schemathesis.toml"
    config.write_text(
        "[checks]\npositive_data_acceptance.enabled = false\n"
        'negative_data_rejection.expected-statuses = ["4xx"]\n'
    )
    arguments = ["--config-file", config, "run", document, "--url", url, "-H", header]
    arguments += ["-n", EXAMPLES, "--phases", phases, "--continue-on-failure"]
    arguments += ["--no-color", "--warnings", "off"]
    done = subprocess.run([program, *arguments], capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stdout
    return " ".join(re.findall(r"\d+ generated, .*", done.stdout))


def test_collector_answers_as_its_document_says(standalone: Standalone, tmp_path: Path) -> None:
    document = str(ROOT / "sdk_spec" / "schema" / "collector.openapi.json")
    ready = standalone.ready

    told = schemathesis(
        document,
        ready["collector_url"],
        f"X-Write-Key: {ready['write_key']}",
        "coverage,fuzzing",
        tmp_path,
    )

    print(f"\nschemathesis, collector: {told}")


def test_query_api_answers_as_its_document_says(standalone: Standalone, tmp_path: Path) -> None:
    url = standalone.ready["query_url"]
    token = f"Authorization: Bearer {standalone.ready['read_token']}"

    told = schemathesis(f"{url}/openapi.json", url, token, "fuzzing", tmp_path)

    print(f"\nschemathesis, query API: {told}")


@pytest.mark.parametrize("kind", SLOW)
def test_slowhttptest_costs_others_nothing(kind: str, tmp_path: Path) -> None:
    program = shutil.which("slowhttptest")
    assert program, "apt-get install slowhttptest"
    system = System(tmp_path / "slow", workers=1).start()
    try:
        # It cannot send a key: slow bodies are refused before they are read, slow readers read what needs none.
        path = "metrics" if kind == "slow reading" else "v1/events"
        arguments = [*SLOW[kind], "-c", "2000", "-r", "500", "-l", "60", "-p", "5"]
        arguments += ["-u", f"{system.collector.url}/{path}"]
        with (tmp_path / "slow.txt").open("wb") as out:
            slow = subprocess.Popen([program, *arguments], stdout=out, cwd=tmp_path)
        load = Load(system.collector.port, [], seed=31)
        sent = 0
        with sending(load):
            while slow.poll() is None:
                rng = seeded(sent)
                load.add(make_batch([make_event(f"n{sent + i}", rng) for i in range(20)], rng))
                sent += 20
                time.sleep(0.05)
            load.finish()
        system.wait_stored(sent)
        assert set(load.statuses) == {200}
        assert "Traceback" not in system.collector.log.read_text()
        without_colours = re.sub(r"\x1b\[[0-9;]*m", "", (tmp_path / "slow.txt").read_text())
        closed = re.findall(r"closed:\s*(\d+)", without_colours)[-1]
        print(
            f"\nslowhttptest, {kind}: {closed} closed; others: {dict(load.statuses)}, stored {sent}"
        )
    finally:
        system.end()
