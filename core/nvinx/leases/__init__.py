"""Who holds which card on this machine, and who waits for one."""
