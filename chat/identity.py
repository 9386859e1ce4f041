"""Who somebody is: a key pair in a file, its fingerprint, and the servers that a client has met before.

This module does file I/O only: no sockets, no reactor. Its law: whatever lies at a path, or cannot be put
there, is one `IdentityError`. A private key is never readable by others, not for a moment; no file is ever
seen half written; of two processes that make the same file at once, both end with the same one.
"""

from __future__ import annotations

import datetime
import errno
import fcntl
import os
import re
import secrets
import shlex
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from chat.errors import ChatError
from chat.fingerprints import read_fingerprint, show_fingerprint
from chat.wire.dtls_channel import fingerprint, make_context

IDENTITY_BYTES = 65_536  # ours take 800; somebody may have put a long certificate of their own there
KNOWN_SERVERS_BYTES = 1 << 20  # some ten thousand servers: it is read whole, whenever a session begins

_HOLDER = "udpchat"  # the directories' name below the user's own
# Nobody checks how long a certificate is valid: what counts is the key. A program that does check one finds
# it valid whatever its clock says (RFC 5280, section 4.1.2.5, has the end as "no well-defined date").
_SINCE = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_UNTIL = datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=datetime.UTC)

_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\s.*?-----END \1-----", re.DOTALL)
_PLACE = re.compile(r"(?:\[[^\s\[\]]+\]|[^\s#@:\[\]][^\s:\[\]]*):[1-9][0-9]{0,4}")


class IdentityError(ChatError):
    """A key, a fingerprint or a list of servers is wrong, or cannot be had. The text is a line for people."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody's private key and the certificate that shows its public half, both PEM.

    The key is in no `repr`, so that none gets into a log.
    """

    key: bytes = field(repr=False)
    certificate: bytes

    @property
    def fingerprint(self) -> bytes:
        """The holder's identity: SHA-256 of the public key as SubjectPublicKeyInfo (RFC 7469), 32 bytes."""
        return fingerprint(self.certificate)


def load_identity(path: Path, name: str) -> Identity:
    """Give the identity in the file `path`; if there is no such file, one is made and put there.

    A new one is a P-256 key with a self-signed certificate, in a file with mode 0600; a directory that is
    missing is made with mode 0700. `name` is the common name in that certificate, 1 to 64 characters: anybody
    on the way can read it, so it is no person's. Once made, the file stays as it is.

    Raises `IdentityError` if the file cannot be read or made, is a link or no file at all, holds no P-256
    key with its certificate, or if others can read it (as ssh does; the text has the command that mends it).
    """
    with _explained("read", path):
        content = _read(path, IDENTITY_BYTES, secret=True)
    if content is None:
        made = _new_identity(name)
        with _explained("make", path):
            _make_directory(path.parent)
            with suppress(FileExistsError):  # somebody was faster
                _write(path, made.key + made.certificate, os.link)
            content = _read(path, IDENTITY_BYTES, secret=True)
    identity = _parse_identity(content or b"")
    if identity is None:
        what = "holds no P-256 key with its certificate" if content else "is empty"
        raise IdentityError(
            f"{_show(path)} {what}: put back the right file, or remove it, and a new key is made"
        )
    return identity


def parse_fingerprint(text: str) -> bytes:
    """Give the 32 bytes that a fingerprint means: `show_fingerprint`'s form, or 64 hex digits.

    The hex digits may have a colon between each two. Raises `IdentityError` that names both forms.
    """
    text = text.strip()
    found = read_fingerprint(text)
    if found is not None:
        return found
    raise IdentityError(
        f"{_shorten(text)} is no fingerprint: write SHA256: and 43 characters, or 64 hexadecimal digits"
    )


class KnownServers:
    """The servers that a client has met, and their keys: a text file, for people to read and to edit.

    A line is `host:port SHA256:...`; what follows behind another space is a comment. Empty lines and those
    that begin with `#` are comments too, and those that begin with `@` are for later versions: all are kept.
    Any other line is an error, and so are two different keys for one place: a key that cannot be read must
    never look like a server that was never met. Capitals in a host's name make no difference.

    The file is read anew for every question, so what somebody edits counts at once.
    """

    def __init__(self, path: Path) -> None:
        """Read the file at `path`, which need not exist. Raises `IdentityError` as `get` does."""
        self.path = path
        self._parse(self._read())

    def get(self, place: str) -> bytes | None:
        """Give the fingerprint of the server at `place` (`host:port`); None if it was never met.

        Raises `IdentityError`, which names the file, and the line if it is one, when the file cannot be read,
        is longer than 1 MiB, has a line that means nothing, or when others can write to it.
        """
        known = self._parse(self._read()).get(place.lower())
        return known[0] if known else None

    def places(self) -> list[str]:
        """Give the servers that were met (`host:port`), the newest last; raises as `get` does."""
        return list(self._parse(self._read()))

    def add(self, place: str, fingerprint: bytes) -> None:
        """Remember that the server at `place` has this key, on disk when this returns.

        What other processes add at the same time is kept. A key that is there already is not written twice.
        Raises `IdentityError` as `get` does; if the file cannot be written; and if another key is known for
        that place: to take a new one is a person's decision, who removes the line.
        """
        line = f"{place} {show_fingerprint(fingerprint)}"
        if not _is_place(place):
            raise IdentityError(f"{_shorten(place)} cannot be remembered: it is no host:port")
        with _explained("write", self.path), self._locked():
            content = self._read()
            known = self._parse(content).get(place.lower())
            if known is None:
                content += b"\n" if content and not content.endswith(b"\n") else b""
                content += line.encode() + b"\n"
                if len(content) > KNOWN_SERVERS_BYTES:
                    raise IdentityError(f"{_show(self.path)} is full: {KNOWN_SERVERS_BYTES} bytes")
                _write(self.path, content, os.replace)
            elif known[0] != fingerprint:
                raise IdentityError(f"{_show(self.path)}, line {known[1]}: {place} has another key there")

    def _read(self) -> bytes:
        with _explained("read", self.path):
            return _read(self.path, KNOWN_SERVERS_BYTES, secret=False) or b""

    def _parse(self, content: bytes) -> dict[str, tuple[bytes, int]]:
        """Give the fingerprint and the line's number for each place."""
        known: dict[str, tuple[bytes, int]] = {}
        for number, line in enumerate(content.split(b"\n"), start=1):
            where = f"{_show(self.path)}, line {number}"
            if not line.strip() or line.lstrip()[:1] in (b"#", b"@"):
                continue
            try:
                place, key = line.decode().split(maxsplit=2)[:2]
                found = parse_fingerprint(key)
            except (ValueError, IdentityError):
                place, found = "", b""
            if not _is_place(place):
                raise IdentityError(f"{where}: this is not host:port and a fingerprint; mend or remove it")
            before = known.setdefault(place.lower(), (found, number))
            if before[0] != found:
                raise IdentityError(f"{where}: line {before[1]} has another key for {place}; remove one")
        return known

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other processes' `add` out. The lock's file stays: to remove it would let two in."""
        _make_directory(self.path.parent)
        lock = self.path.with_name(f"{self.path.name}.lock")
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)  # nobody holds it for longer than a file is written
            yield
        finally:
            os.close(descriptor)


def data_directory() -> Path:
    """Give the directory of a user's own key and known servers: XDG_DATA_HOME/udpchat, which need not exist.

    Raises `IdentityError` if the user has no home directory.
    """
    return _at_home(platformdirs.user_data_path)


def state_directory() -> Path:
    """Give the directory of a server's state: XDG_STATE_HOME/udpchat, or what systemd's StateDirectory= made.

    It need not exist. Raises `IdentityError` if the user has no home directory.
    """
    given = os.environ.get("STATE_DIRECTORY", "").split(":")[0]  # systemd names all of them
    return Path(given) if given else _at_home(platformdirs.user_state_path)


def _at_home(find: Callable[[str], Path]) -> Path:
    try:
        path = find(_HOLDER)
    except RuntimeError:  # a user that the system does not know, and no HOME: as containers have it
        path = Path()
    if not path.is_absolute():  # an older platformdirs leaves the "~" as it is
        raise IdentityError("this user has no home directory: set HOME, or name a directory")
    return path


def _new_identity(name: str) -> Identity:
    key = ec.generate_private_key(ec.SECP256R1())
    holder = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(holder)
        .issuer_name(holder)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_SINCE)
        .not_valid_after(_UNTIL)
        .sign(key, SHA256())
    )
    return Identity(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        certificate.public_bytes(Encoding.PEM),
    )


def _parse_identity(content: bytes) -> Identity | None:
    """Give the first key and the first certificate in `content`; None unless they can be used together."""
    key = certificate = b""
    for block in _PEM.finditer(content):
        if block[1].endswith(b"PRIVATE KEY"):
            key = key or block[0] + b"\n"
        elif block[1] == b"CERTIFICATE":
            certificate = certificate or block[0] + b"\n"
    try:
        make_context(key, certificate)
        private = load_pem_private_key(key, password=None)
    except ValueError:
        return None
    is_ours = isinstance(private, ec.EllipticCurvePrivateKey) and isinstance(private.curve, ec.SECP256R1)
    return Identity(key, certificate) if is_ours else None


def _is_place(text: str) -> bool:
    return _PLACE.fullmatch(text) is not None and text.isprintable()


def _read(path: Path, most: int, *, secret: bool) -> bytes | None:
    """Give what the file holds, at most so many bytes; None if there is none.

    A file that others can read (if it is `secret`) or write to is refused, as ssh does; that of another
    owner may be open to a group, which is how a service is given one. Raises `IdentityError`, and `OSError`.
    """
    try:
        # A pipe must not hold us up; a link could lead to anybody's file.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError:
        if path.is_symlink():
            raise IdentityError(f"{_show(path)} is a symbolic link: the file itself belongs there") from None
        raise
    try:
        _check(os.fstat(descriptor), path, secret)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(most + 1)
    finally:
        os.close(descriptor)
    if len(content) > most:
        raise IdentityError(f"{_show(path)} is longer than {most} bytes: this is not udpchat's file")
    return content


def _check(found: os.stat_result, path: Path, secret: bool) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise IdentityError(f"{_show(path)} is no ordinary file")
    is_own = found.st_uid == os.geteuid()
    if found.st_mode & (0o077 if secret else 0o022) & (0o077 if is_own else 0o007):
        does, mend = ("read", "600" if is_own else "o=") if secret else ("write to", "go-w")
        raise IdentityError(f"others can {does} {_show(path)}: chmod {mend} {shlex.quote(_show(path))}")


def _write(path: Path, content: bytes, put: Callable[[Path, Path], None]) -> None:
    """Write a file with mode 0600, whatever the umask, under another name; then `put` it in its place."""
    new = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o600)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        put(new, path)
    finally:
        new.unlink(missing_ok=True)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)  # or a power cut takes the name again
    finally:
        os.close(directory)


def _make_directory(path: Path) -> None:
    """Make a directory, and those above it, with mode 0700; one that exists stays as it is."""
    if path.is_dir():
        return
    _make_directory(path.parent)
    try:
        path.mkdir(0o700)
    except FileExistsError:
        if not path.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path) from None
    else:
        path.chmod(0o700)  # whatever the umask


@contextmanager
def _explained(doing: str, path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise IdentityError(f"cannot {doing} {_show(path)}: {error.strerror or error}") from None


def _show(path: Path) -> str:
    """Give a path in one line, whatever characters it has."""
    return str(path) if str(path).isprintable() else repr(str(path))


def _shorten(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:79] + "…")
