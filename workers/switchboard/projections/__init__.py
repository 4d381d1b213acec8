"""What decisions add up to: the outcome of each chat, and decisions in English."""
