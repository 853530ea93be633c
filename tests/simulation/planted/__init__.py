"""The simulation with a bug in it, in a process of its own: is the determinism gate any good?"""
