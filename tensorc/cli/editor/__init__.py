"""The server that editors talk to, by the Language Server Protocol 3.17."""
