"""The whole daemon over in-memory sockets in virtual time: real feed, gateway, ccxt, real servers."""
