"""Runs `arbit live`: its lanes, how they begin and end, and what they answer at the door."""
