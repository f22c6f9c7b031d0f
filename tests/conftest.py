"""How many tests run side by side."""

import os

import pytest


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Half as many again as there are cores: many tests wait for time limits of the platforms."""
    return max(2, (os.cpu_count() or 1) * 3 // 2)
