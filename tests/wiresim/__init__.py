"""The whole daemon over in-memory sockets in virtual time: real clients, real servers."""
