"""Where what was made for tests outlives them: LIMOSA_TEST_CACHE, or the user's cache directory."""

import os
from pathlib import Path

import platformdirs


def shared_cache() -> Path:
    configured = os.environ.get("LIMOSA_TEST_CACHE")
    return Path(configured) if configured else platformdirs.user_cache_path("limosa-tests")
