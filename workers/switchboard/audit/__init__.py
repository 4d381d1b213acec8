"""The auditor: holds what a router decided against the rules, sharing none of the engine's code.

It keeps books of its own, written from the routing rules alone. `meeting` is where what the rules call for meets what
the log has; `auditor` walks the frames; `books` is what it knows.
"""
