"""What `nvinx` can be asked for: the verbs by topic, each with a line for `nvinx --help`."""

from __future__ import annotations

TOPICS: dict[str, dict[str, str]] = {
    "Start here": {
        "doctor": "Look for problems that keep nvinx from working here",
        "init": "Write a bench file (nvinx.yaml) that describes this machine",
        "check": "Show how nvinx understands each rule of a Snakefile",
        "plan": "Show what would run where and when, without running it",
    },
    "Run": {
        "run": "Run any command as soon as it fits on the card",
        "nextflow": "Let a Nextflow pipeline share the card",
        "slurm-profile": "Write a profile for Snakemake's own Slurm executor",
        "release": "Free a card from processes that a job left behind",
        "resume": "Resume a job that its engine left suspended",
    },
    "Watch": {
        "top": "Show cards, leases and queue as they change",
        "status": "Show cards, leases and queue once",
        "explain": "Say why a job waits, or why it ran where it did",
        "metrics": "Serve metrics for Prometheus and Grafana",
    },
    "Look back": {
        "jobs": "List the jobs of the last run, with lanes",
        "report": "Write the last run as an HTML page",
        "history": "Show what earlier runs used, and what to declare",
    },
    "Measure and predict": {
        "bench": "Show what this machine has, and where each value comes from",
        "fit": "Tell whether a model fits the card, and how to split it",
        "calibrate": "Measure how much programs slow each other down",
        "simulate": "Simulate a list of jobs on this or another bench",
    },
    "For scripts": {
        "placement": "Show where nvinx placed a job, inside it",
        "lease": "Take and release leases in shell scripts",
        "completion": "Print shell completion for bash, zsh or fish",
    },
}
SHOWN = {verb: line for topic in TOPICS.values() for verb, line in topic.items()}
VERBS = (*SHOWN, "slurm-task")  # which nvinx-slurm calls on a node
