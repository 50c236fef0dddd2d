"""One run of a workflow: its trace, how it is read, and how it is shown."""
