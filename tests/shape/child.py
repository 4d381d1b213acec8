"""Run `python -m switchboard ARGUMENTS`, and write its modules and its calls as JSON.

Usage: `python -P child.py FILE modules|calls ARGUMENTS…`. FILE gets `modules`, the names of the modules that the
command loaded, and `calls`, for each function of the package its file, its name, its first line and the times of its
calls (monotonic, s; empty without `calls`). The own imports stand inside the functions: a module that this file loads
before the command ends would count as the command's.
"""

import sys

BARE = frozenset(sys.modules)
"""The modules of the interpreter itself."""
CO_OPTIMIZED = 1
"""The flag of a function's code; the body of a module or of a class lacks this flag."""
PACKAGE = "switchboard"

if sys.argv[2:3] == ["calls"]:
    from array import array
    from time import monotonic
    from types import CodeType, FrameType


class Calls:
    """A profiler that notes the time of each call of a named function of a folder.

    Resuming a coroutine or a generator is a call. Functions that run during an import only are left out, as are
    lambdas and comprehensions: Python 3.12 has comprehensions without a call.

    Args:
        folder: the folder of the package, with a separator at its end.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self.times: dict[CodeType, array[float]] = {}

    def __call__(self, frame: "FrameType", event: str, _: object) -> None:
        """Take an event of the interpreter's profiling."""
        if event != "call":
            return
        times = self.times.get(frame.f_code)
        if times is None:
            if not self._counts(frame.f_code) or _importing(frame):
                return
            times = self.times[frame.f_code] = array("d")
        times.append(monotonic())

    def _counts(self, code: "CodeType") -> bool:
        named = code.co_flags & CO_OPTIMIZED and not code.co_name.startswith("<")
        return bool(named) and code.co_filename.startswith(self._folder)


def _importing(frame: "FrameType | None") -> bool:
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False


def _profile() -> Calls:
    """Note the calls of this thread and of all threads to come."""
    import threading  # noqa: PLC0415 - see the module's docstring
    from importlib.util import find_spec  # noqa: PLC0415

    spec = find_spec(PACKAGE)
    assert spec is not None, f"no package {PACKAGE} on the path"
    assert spec.origin is not None
    calls = Calls(spec.origin.removesuffix("__init__.py"))
    threading.setprofile(calls)
    sys.setprofile(calls)
    return calls


def _main() -> None:
    import runpy  # noqa: PLC0415 - `python -m` loads it too

    file, kind = sys.argv[1:3]
    calls = _profile() if kind == "calls" else None
    sys.argv[:] = [PACKAGE, *sys.argv[3:]]
    try:
        runpy.run_module(PACKAGE, run_name="__main__", alter_sys=True)
    finally:
        sys.setprofile(None)
        modules = sorted(set(sys.modules) - BARE)
        import json  # noqa: PLC0415
        from pathlib import Path  # noqa: PLC0415

        noted = list(calls.times.items()) if calls is not None else []
        rows = [[code.co_filename, code.co_qualname, code.co_firstlineno, list(times)] for code, times in noted]
        Path(file).write_text(json.dumps({"modules": modules, "calls": rows}), encoding="utf-8")


if __name__ == "__main__":
    _main()
