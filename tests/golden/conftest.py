"""Comparisons with the original's numbers."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from golden import Same, unpacked


@pytest.fixture
def same(record_property: Callable[[str, object], None]) -> Same:
    return Same(record_property)


@pytest.fixture(autouse=True)
def no_gradients_by_default() -> Iterator[None]:
    """Tests that need gradients switch them on themselves."""
    with torch.no_grad():
        yield


@pytest.fixture(scope="session")
def original_file(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A file of `data/` as it was before it was compressed."""
    folder = tmp_path_factory.mktemp("originals")
    return lambda name: unpacked(name, folder)
