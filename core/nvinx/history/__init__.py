"""Past runs: kept, read back, and what they teach."""
