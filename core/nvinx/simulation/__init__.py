"""The same admission on made-up time. Pure."""
