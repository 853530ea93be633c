"""The gallery: looks, tells, and never touches."""
