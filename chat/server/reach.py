"""Which peers cannot be reached any more, told by the writes to them that failed."""

from __future__ import annotations

import errno
import socket

from chat.server.peer import Peer

# Of nothing but failed writes; a shorter time would let a flapping link empty a room.
UNREACHABLE_SECONDS = 60.0

# A write that fails so can never succeed: the address is wrong, forbidden or of another family. All other
# errors are loss: the queue or the network is what failed, not the peer.
_HOPELESS = frozenset({errno.EINVAL, errno.EACCES, errno.EAFNOSUPPORT, socket.EAI_ADDRFAMILY})


def is_out_of_reach(peer: Peer, error: OSError, now: float) -> bool:
    """Say whether a write that failed was the last to `peer`; else it counts as loss."""
    hopeless = error.errno in _HOPELESS
    if hopeless and peer.source:  # our own address is what went away: leave the choice to the kernel
        peer.source, hopeless = [], False
    since = now if peer.failing_since is None else peer.failing_since
    return hopeless or now - since >= UNREACHABLE_SECONDS


def show_error(error: OSError) -> str:
    """Give an error of a write as people read it: `ECONNREFUSED Connection refused`."""
    return f"{errno.errorcode.get(error.errno or 0, '?')} {error.strerror}"
