"""Longer runs: collected only where the environment says how long, as `make soak` does."""

import os

if "SCENETRAIL_SOAK_MINUTES" not in os.environ:
    collect_ignore_glob = ["test_*.py"]
