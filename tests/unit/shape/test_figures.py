"""How the shape of the code is measured."""

import ast

import pytest

from tests.shape.__main__ import OTHERS, names, table
from tests.shape.figures import (
    Figures,
    Source,
    code_lines,
    comment_lines,
    complexity,
    docstrings,
    function_figures,
    import_edges,
    name_figures,
    parameters,
    size_figures,
    word_figures,
)

COMMENTED = '''\
"""A docstring."""

import os  # noqa: F401


# Why.
def f():
    """Another
    docstring."""
    x = "# no comment"
    return x  # because
'''


def function(text: str) -> ast.FunctionDef:
    """The function that a text begins with."""
    found = ast.parse(text).body[0]
    assert isinstance(found, ast.FunctionDef)
    return found


def test_an_edge_is_a_pair_of_modules_however_often_and_wherever_it_is_imported() -> None:
    """Absolute, relative and late imports, of a module and of its names; a package's own modules only."""
    sources = [
        Source.of("p/__init__.py", "from p.a import x"),
        Source.of("p/a.py", "import os\nimport p.q.b\nfrom p.q.b import x, y\ndef f():\n    from p import q\n"),
        Source.of("p/q/__init__.py", "from . import b\nfrom .b import x\nfrom .. import a"),
        Source.of("p/q/b.py", "from ..a import x\nfrom p import z\nfrom other import p"),
    ]
    assert import_edges(sources) == {
        ("p", "p.a"),
        ("p.a", "p.q.b"),
        ("p.a", "p.q"),
        ("p.q", "p.q.b"),
        ("p.q", "p.a"),
        ("p.q.b", "p.a"),
        ("p.q.b", "p"),
    }


def test_vague_words_are_counted_in_docstrings_only() -> None:
    """Those of modules, classes, functions and attributes, and no other text."""
    text = '"""What it is."""\nSIZE = 1\n"""The size."""\nprint("it")\n"so"\ndef f():\n    """One each."""\n    "it"\n'
    source = Source.of("p/a.py", text)
    assert list(docstrings(source.tree)) == ["What it is.", "The size.", "One each."]
    assert word_figures([source]) == {"words of docstrings": 7, "vague words of docstrings, %": pytest.approx(300 / 7)}


def test_comments_for_tools_and_hashes_in_strings_are_no_comments() -> None:
    """They tell a reader nothing."""
    assert comment_lines(COMMENTED) == ({6, 11}, {6})


def test_docstrings_and_comments_are_no_lines_of_code() -> None:
    """Nor are empty lines; all lines of a long statement are."""
    assert code_lines(Source.of("p/a.py", COMMENTED + "call(\n    1,\n)\n")) == {3, 7, 10, 11, 12, 13, 14}


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("pass", 1),
        ("if a and b or c: pass\n  elif d: pass\n  else: pass", 5),
        ("for x in y:\n    while z: assert x", 4),
        ("try: a()\n  except A: pass\n  except B: pass\n  finally: c()", 3),
        ("return [x if y else z for x in a if b for y in c]", 5),
        ("match x:\n    case 1: pass\n    case _: pass", 3),
        ("def g():\n    if a: pass\n  return g", 1),
    ],
)
def test_each_way_through_a_function_adds_to_its_complexity(body: str, found: int) -> None:
    """A nested function has its own."""
    assert complexity(function(f"def f():\n  {body}")) == found


def test_parameters_of_all_kinds_count_apart_from_self() -> None:
    """As a caller sees them."""
    assert parameters(function("def f(self, a, /, b, *c, d=1, **e): pass")) == 5


def test_the_largest_come_first() -> None:
    """Files by their lines, functions by theirs."""
    sources = [Source.of("p/a.py", "\n" * 500), Source.of("p/b.py", "\n" * 401), Source.of("p/c.py", "\n" * 400)]
    figures = size_figures(sources)
    assert (figures["lines of a file, largest"], figures["files under 60 lines"]) == (500, 0)
    assert figures["files above 400 lines"] == ["p/a.py 500", "p/b.py 401"]
    long = "def f():\n" + "    pass\n" * 70 + "def g():\n" + "    pass\n" * 80
    assert function_figures([Source.of("p/a.py", long)])["functions above 60 lines"] == ["p/a.py g 81", "p/a.py f 71"]


def test_file_names_are_compared_over_all_folders() -> None:
    """`__init__` and `__main__` are no names."""
    paths = ["p/__init__.py", "p/q/__init__.py", "p/a.py", "p/q/a.py", "p/reading.py"]
    assert name_figures([Source.of(path, "") for path in paths]) == {
        "file names that occur more than once": ["a"],
        "file names that end in -ing": ["reading"],
    }


def test_the_table_has_a_column_for_before_and_names_below() -> None:
    """A figure that was not measured before has an empty cell; a list shows its length."""
    figures: Figures = {"files": 1_234, "lines of the longest function": 80, "long": ["a", "b"]}
    rows = list(table(figures, {"files": 2}))
    assert rows[0] == "| figure | before | now | procrastinate | arroyo | structlog | quix-streams |"
    assert rows[2:] == [
        "| files | 2 | 1,234 |  |  |  |  |",
        f"| lines of the longest function |  | 80 | {' | '.join(OTHERS['lines of the longest function'])} |",
        "| long |  | 2 |  |  |  |  |",
    ]
    assert list(names(figures)) == ["- long: a, b"]
