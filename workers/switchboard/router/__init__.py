"""The routing path: read, merge, check, frame, apply, commit."""
