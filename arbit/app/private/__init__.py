"""The private side of a venue, or paper in its place: where orders go."""
