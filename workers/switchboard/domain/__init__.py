"""The rules: events in, decisions and rows out. No I/O, no clock, no randomness, no logging."""
