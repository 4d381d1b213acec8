"""A program that measures the shape of the code; never a test."""
