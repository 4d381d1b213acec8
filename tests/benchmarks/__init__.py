"""Programs that measure, with a report; never timed tests."""
