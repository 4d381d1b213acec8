"""A structured fuzzer: inputs made from good samples and then damaged, each checked against stated properties.

`make fuzz` checks a million inputs and prints a report; `make unit` checks a few thousand. Every input is made from a
seed of its own, so a failure is repeated by its target and its seed alone.
"""
