"""How runs of the command are followed."""

from tests.shape.__main__ import OTHERS, PACKAGE
from tests.shape.figures import source_figures
from tests.shape.runs import _called_within, _child


def test_the_calls_of_a_command_are_functions_of_the_package_with_their_times() -> None:
    """No module's body, no library, nothing that an import alone calls."""
    calls = _child("calls", "--version")["calls"]
    assert calls
    for file, name, line, times in calls:
        assert file.startswith(str(PACKAGE))
        assert "<" not in name.replace("<locals>", "").rsplit(".", 1)[-1]
        assert line > 0
        assert times == sorted(times)


def test_the_child_adds_no_module_of_its_own() -> None:
    """Its count is the command's."""
    modules = _child("modules", "--version")["modules"]
    assert "switchboard" in modules
    assert "click" in modules
    assert not [each for each in modules if each.startswith("tests")]


def test_a_call_counts_in_the_span_of_an_event_only() -> None:
    """Its borders included."""
    calls = [("a.py", "f", 1, [0.5, 2.0]), ("a.py", "g", 9, [0.5, 3.1]), ("b.py", "h", 1, [1.0])]
    assert _called_within(calls, 1.0, 3.0) == {("a.py", "f", 1), ("b.py", "h", 1)}


def test_each_figure_of_other_projects_has_one_of_ours_beside_it() -> None:
    """A renamed figure would leave theirs out of the table. The figures of one room have the names of all figures."""
    assert OTHERS.keys() <= source_figures(PACKAGE / "web").keys()
