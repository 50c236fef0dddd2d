"""The bench: what its file says, what the machine has, and what is in force."""
