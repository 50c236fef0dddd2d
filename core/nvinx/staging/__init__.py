"""Files read into the page cache ahead of the job that loads them."""
