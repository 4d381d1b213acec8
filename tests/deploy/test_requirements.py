"""What is installed where: requirements/run.txt is what the workers' image holds."""

import pytest

from tests.deploy.requirements import FILES, declared, pinned


def test_the_workers_requirements_hold_no_extra_and_no_tool() -> None:
    """Not what-if's libraries, nor what these need, nor what builds and installs; all that the package depends on."""
    run = pinned("run").keys()
    extra = {name for name in pinned("whatif") if name not in run}
    assert declared(extra="whatif") <= extra
    assert {"matplotlib", "numpy", "pillow", "scipy"} <= extra
    assert run.isdisjoint(extra | declared(group="build") | {"setuptools", "wheel"})
    assert declared() <= run <= pinned("whatif").keys()


def test_the_tools_that_build_are_pinned_too() -> None:
    """Pip itself among them: the one of a base image is as old as its release of Python."""
    assert {"pip", "hatchling"} <= declared(group="build") <= pinned("build").keys()


@pytest.mark.parametrize("name", FILES)
def test_every_file_pins_the_same_versions(name: str) -> None:
    """What is tested, with dev.txt, is what is shipped."""
    everything = pinned("dev")
    for distribution, pins in pinned(name).items():
        assert pins == everything[distribution], distribution
        assert all("==" in pin for pin in pins), distribution
