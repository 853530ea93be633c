"""The sandbox's Kraken public wire face: REST and WebSocket v2."""
