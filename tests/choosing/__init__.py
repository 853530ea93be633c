"""Choosers on the same planted opportunities: ours, one that knows everything, two plain ones."""
