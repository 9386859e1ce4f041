"""The error tree: whose fault a thing is decides who catches it.

A peer's fault is caught in one place (where its datagram came in) and costs that datagram. A refusal
becomes a reply to whoever asked. Whatever is not in this tree is a bug of ours and is not caught.
"""

from __future__ import annotations


class ChatError(Exception):
    """Anything that udpchat raises on purpose."""


class RemoteProtocolError(ChatError):
    """The peer sent what no peer may send. Costs the datagram, never the server."""


class RequestRejected(ChatError):
    """A request that was understood and is refused.

    `code` is for programs (`NICK_IN_USE`), `text` is one line for people, `retry_after` is in seconds
    (0: asking again will not help).
    """

    def __init__(self, code: str, text: str, retry_after: float = 0.0) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.retry_after = retry_after


class StoreError(ChatError):
    """The store could not do what it was asked; nothing was changed."""
