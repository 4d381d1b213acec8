"""Attacks on a router on a real broker, and what everybody else notices of them."""
