"""What is asked of a daemon, and told to it: its socket, and files that it looks at."""
