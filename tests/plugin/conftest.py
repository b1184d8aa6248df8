"""An environment for packages that tests build and install."""

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from workshop import Workshop

# With the first version of each that builds and installs what the skeleton's pyproject.toml says, fetching nothing.
NEEDED = {"setuptools": 77, "pip": 23}


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    """Empty: nothing is installed in it."""
    for package, least in NEEDED.items():
        if major_version(package) < least:
            pytest.skip(f"{package} is missing or older than {least}: pip install '.[test]'")
    return Workshop(tmp_path)


def major_version(package: str) -> int:
    """0 where it is not installed. The package is not imported: setuptools changes what others import."""
    try:
        return int(version(package).partition(".")[0])
    except PackageNotFoundError:
        return 0
