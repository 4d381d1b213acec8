"""The names of the package's files."""

from collections import Counter
from pathlib import Path

import switchboard

FOLDER = Path(switchboard.__file__).parent


def test_no_two_files_of_the_package_have_one_name() -> None:
    """A name is enough to find a file; `__init__` and `__main__` are Python's own."""
    stems = Counter(path.stem for path in FOLDER.rglob("*.py") if path.stem not in {"__init__", "__main__"})
    assert sorted(stem for stem, times in stems.items() if times > 1) == []
