"""What `arbit config` looks through and writes."""
