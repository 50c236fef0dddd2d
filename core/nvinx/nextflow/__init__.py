"""Nextflow's GPU tasks under the same admission."""
