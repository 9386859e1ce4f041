"""udpchat: a chat over UDP."""

__version__ = "0.1.0"
