"""Who runs now: the queue, what is free, and the one function that decides. Pure."""
