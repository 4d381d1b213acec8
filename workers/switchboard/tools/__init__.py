"""Recorded event logs: replayed offline to a decision log."""
