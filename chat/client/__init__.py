"""The clients: the only client sockets."""
