"""A real Prometheus on a real daemon: does every panel and rule find what it asks for."""
