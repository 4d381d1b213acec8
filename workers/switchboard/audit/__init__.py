"""The auditor: checks what the router did, sharing none of the engine's code."""
