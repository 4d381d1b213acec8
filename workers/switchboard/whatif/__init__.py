"""What-if: the same arrivals and the same people under other rules."""
