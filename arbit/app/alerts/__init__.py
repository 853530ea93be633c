"""Alerts of a run, and the trial of their receivers."""
