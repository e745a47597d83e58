"""What the tests of single parts share."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from harness.live.control import Control, shared_file


@pytest.fixture
def control() -> Iterator[Control]:
    descriptor = shared_file("test", Control.size(2))
    made = Control(descriptor, 2)
    os.close(descriptor)
    yield made
    made.close()
