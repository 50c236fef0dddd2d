"""What a job asks for, and how it ended. Pure."""
