"""Looks ahead: plays a few rules to the end of the work that is known, and takes the best. Pure."""
