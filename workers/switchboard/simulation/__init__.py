"""Simulated customers and agents, fed by recorded call arrivals."""
