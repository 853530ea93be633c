"""Measuring without an account: fitness, and recordings played again."""
