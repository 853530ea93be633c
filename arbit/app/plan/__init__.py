"""What is to be had at a venue, and what it would take: markets, triangles, plan."""
