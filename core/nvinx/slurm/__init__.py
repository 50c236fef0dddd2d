"""Slurm's nodes: what jobs ask for there, and what runs on them."""
