"""The server: the only server sockets."""
