"""Tests of `chat.identity`: keys in files, fingerprints, and where they are kept."""

from __future__ import annotations

import datetime
import hashlib
import os
import pwd
import sys
import textwrap
from functools import partial
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509 import load_pem_x509_certificate
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from chat.fingerprints import show_fingerprint
from chat.identity import (
    IDENTITY_BYTES,
    Identity,
    IdentityError,
    data_directory,
    load_identity,
    parse_fingerprint,
    state_directory,
)
from chat.wire.dtls import DtlsListener
from tests.dtls_support import SECRET, Door, key_pem, make_certificate, new_client, to_and_fro
from tests.identity_support import ANN, SHOWN_ANN, FolderTestCase, at_once, mode, set_variables
from tests.server_process import run


class NewIdentityTests(FolderTestCase):
    """An identity that is made because there was none."""

    def setUp(self) -> None:
        """Make one."""
        super().setUp()
        self.file = self.folder / "a" / "b" / "server.pem"
        self.identity = load_identity(self.file, "the holder")

    def test_it_stays(self) -> None:
        """The second time it is read; nothing else is left in its directory."""
        self.assertEqual(load_identity(self.file, "another"), self.identity)
        self.assertEqual(self.file.read_bytes(), self.identity.key + self.identity.certificate)
        self.assertEqual([path.name for path in self.file.parent.iterdir()], ["server.pem"])

    def test_each_is_another(self) -> None:
        """Another file is another identity."""
        other = load_identity(self.folder / "other.pem", "the holder")
        self.assertNotEqual(other.fingerprint, self.identity.fingerprint)

    def test_permissions(self) -> None:
        """The file is 0600, the directories that had to be made are 0700, and no umask changes that."""
        for number, umask in enumerate((0o000, 0o022, 0o777)):
            os.umask(umask)
            file = self.folder / str(number) / "deep" / "server.pem"
            load_identity(file, "x")
            self.assertEqual([mode(file), mode(file.parent), mode(file.parent.parent)], [0o600, 0o700, 0o700])

    def test_a_directory_that_exists(self) -> None:
        """Nobody's directory has its permissions changed."""
        self.folder.chmod(0o750)
        load_identity(self.folder / "server.pem", "x")
        self.assertEqual(mode(self.folder), 0o750)

    def test_the_certificate(self) -> None:
        """P-256, signed by itself, valid whatever a machine's clock says."""
        certificate = load_pem_x509_certificate(self.identity.certificate)
        certificate.verify_directly_issued_by(certificate)
        key = load_pem_private_key(self.identity.key, password=None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        self.assertIsInstance(key.curve, ec.SECP256R1)
        self.assertEqual(key.public_key(), certificate.public_key())
        (name,) = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        self.assertEqual(name.value, "the holder")
        self.assertEqual(certificate.not_valid_before_utc, datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC))
        self.assertEqual(certificate.not_valid_after_utc.year, 9999)

    def test_the_fingerprint(self) -> None:
        """It is the SHA-256 of the public key, whatever certificate is around it."""
        key = load_pem_private_key(self.identity.key, password=None)
        der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.assertEqual(self.identity.fingerprint, hashlib.sha256(der).digest())
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        renewed = Identity(self.identity.key, make_certificate(key, "another name"))
        self.assertEqual(renewed.fingerprint, self.identity.fingerprint)

    def test_it_is_what_a_peer_sees(self) -> None:
        """A client's handshake with a server that has this identity ends with its fingerprint."""
        door = Door(DtlsListener(self.identity.key, self.identity.certificate, SECRET))
        client = new_client()
        to_and_fro(client, door)
        self.assertTrue(client.is_up)
        self.assertEqual(client.peer_fingerprint, self.identity.fingerprint)

    def test_the_key_is_not_shown(self) -> None:
        """What a log might have of an identity does not hold its key."""
        self.assertNotIn("PRIVATE", repr(self.identity) + str(self.identity))

    def test_many_at_once(self) -> None:
        """Of several that find no file at once, all end with the same identity, and one file is there."""
        for number in range(20):
            file = self.folder / f"race {number}" / "server.pem"
            found = at_once([partial(load_identity, file, "x")] * 8)
            self.assertEqual(set(found), {load_identity(file, "x")})
            self.assertEqual([path.name for path in file.parent.iterdir()], ["server.pem"])

    def test_a_full_disk(self) -> None:
        """A file that cannot be written to its end is one line, and nothing of it is left."""
        code = """
            import resource, sys
            from pathlib import Path
            from chat.identity import IdentityError, KnownServers, load_identity
            most = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (40, most[1]))
            folder = Path(sys.argv[1])
            known = KnownServers(folder / "known")
            for write in (lambda: load_identity(folder / "x.pem", "x"), lambda: known.add("a:1", bytes(32))):
                try:
                    write()
                except IdentityError as error:
                    print(error)
            resource.setrlimit(resource.RLIMIT_FSIZE, most)  # whoever measures coverage writes at the end
        """
        folder = self.folder / "full"
        done = run([sys.executable, "-c", textwrap.dedent(code), str(folder)])
        self.assertEqual(
            (done.stdout, done.stderr),
            (
                f"cannot make {folder}/x.pem: File too large\ncannot write {folder}/known: File too large\n",
                "",
            ),
        )
        self.assertEqual([path.name for path in folder.iterdir()], ["known.lock"])


class IdentityFileTests(FolderTestCase):
    """An identity that lies there already, or something else."""

    def setUp(self) -> None:
        """Have a file with a key, and its parts."""
        super().setUp()
        self.file = self.folder / "server.pem"
        self.identity = load_identity(self.file, "x")

    def put(self, content: bytes) -> None:
        """Write the file."""
        self.file.write_bytes(content)

    def load(self) -> Identity:
        """Read it."""
        return load_identity(self.file, "x")

    def test_what_openssl_writes(self) -> None:
        """A key in OpenSSL's older form, its curve's parameters before it and text around it, is a key."""
        key = load_pem_private_key(self.identity.key, password=None)
        old = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        self.assertIn(b"BEGIN EC PRIVATE KEY", old)
        curve = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
        self.put(b"text\n" + self.identity.certificate + b"\xff\n" + curve + old + b"text")
        self.assertEqual(self.load().fingerprint, self.identity.fingerprint)

    def test_the_first_ones_count(self) -> None:
        """Behind the key and its own certificate others may follow."""
        other = load_identity(self.folder / "other.pem", "x")
        self.put(self.identity.certificate + other.certificate + self.identity.key + other.key)
        self.assertEqual(self.load(), self.identity)

    def test_what_is_no_identity(self) -> None:
        """Anything but a P-256 key and its certificate is refused, and stays as it is."""
        key, certificate = self.identity.key, self.identity.certificate
        other = load_identity(self.folder / "other.pem", "x")
        p384 = ec.generate_private_key(ec.SECP384R1())
        rsa_key = rsa.generate_private_key(65_537, 2_048)
        rsa_pem = rsa_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        locked = load_pem_private_key(key, password=None).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"a word")
        )
        for content in (
            b"\n",
            b"nonsense",
            bytes(IDENTITY_BYTES),
            key,
            certificate,
            key + other.certificate,
            key[:100] + certificate,
            key.replace(b"M", b"N") + certificate,
            key_pem(p384) + make_certificate(p384),
            rsa_pem + certificate,
            locked + certificate,
        ):
            self.put(content)
            text = self.refused(self.load)
            self.assertIn(f"{self.file} holds no P-256 key with its certificate", text)
            self.assertEqual(self.file.read_bytes(), content)

    def test_an_empty_file(self) -> None:
        """A file that holds nothing is no reason to make a key: it may be all that is left of one."""
        self.put(b"")
        self.assertIn(f"{self.file} is empty", self.refused(self.load))
        self.assertEqual(self.file.read_bytes(), b"")

    def test_a_long_file(self) -> None:
        """A file that is longer than any key and certificate is not read to its end."""
        self.put(self.identity.key + self.identity.certificate + bytes(IDENTITY_BYTES))
        self.assertIn(f"{self.file} is longer than {IDENTITY_BYTES} bytes", self.refused(self.load))

    def test_others_can_read_it(self) -> None:
        """As with ssh, a key that others can read or write is not used; the text has what mends it."""
        for open_to in (0o640, 0o620, 0o604, 0o602, 0o666, 0o610):
            self.file.chmod(open_to)
            self.assertEqual(
                self.refused(self.load), f"others can read {self.file}: chmod 600 {self.file}", oct(open_to)
            )
        for fine in (0o600, 0o400, 0o700):
            self.file.chmod(fine)
            self.assertEqual(self.load(), self.identity, oct(fine))

    def test_names_with_anything_in_them(self) -> None:
        """The command can be pasted whatever a shell makes of the name; an error is one line for any name."""
        file = self.folder / "$my key"
        self.file.rename(file)
        file.chmod(0o644)
        self.assertTrue(self.refused(load_identity, file, "x").endswith(f": chmod 600 '{file}'"))
        odd = self.folder / "a\nb\x1b[0m"
        file.rename(odd)
        for path in (odd, odd / "x.pem"):
            self.assertIn(r"a\nb\x1b[0m", self.refused(load_identity, path, "x"))

    def test_somebody_elses_file(self) -> None:
        """The file of another owner may be open to a group, never to everybody."""
        if os.getuid():
            raise SkipTest("only root can give a file away")
        os.chown(self.file, 65_534, -1)
        self.file.chmod(0o640)
        self.assertEqual(self.load(), self.identity)
        self.file.chmod(0o644)
        self.assertEqual(self.refused(self.load), f"others can read {self.file}: chmod o= {self.file}")

    def test_no_ordinary_file(self) -> None:
        """Links, pipes and directories are refused at once, and nothing is waited for or written through."""
        (self.folder / "link").symlink_to(self.file)
        (self.folder / "dangling").symlink_to("nowhere")
        os.mkfifo(self.folder / "pipe", 0o600)
        (self.folder / "directory").mkdir()
        for name, why in (
            ("link", "is a symbolic link"),
            ("dangling", "is a symbolic link"),
            ("pipe", "is no ordinary file"),
            ("directory", "is no ordinary file"),
        ):
            path = self.folder / name
            self.assertIn(f"{path} {why}", self.refused(load_identity, path, "x"))
        self.assertFalse((self.folder / "nowhere").exists())

    def test_directories_that_cannot_be(self) -> None:
        """A directory that cannot be made is an error that names the file that was to be in it."""
        (self.folder / "dangling").symlink_to("nowhere")
        for path, why in (
            (self.file / "below" / "x.pem", "cannot read {}: Not a directory"),
            (self.folder / "dangling" / "x.pem", "cannot make {}: Not a directory"),
            (self.folder / ("x" * 300) / "x.pem", "cannot read {}: File name too long"),
        ):
            self.assertEqual(
                self.refused(load_identity, path, "x"),
                why.format(path),
            )


class FingerprintTests(SynchronousTestCase):
    """Fingerprints as people see and write them."""

    def test_as_ssh_writes_them(self) -> None:
        """`SHA256:` and base64 without padding, as `ssh-keygen -l` has it."""
        self.assertEqual(show_fingerprint(ANN), SHOWN_ANN)
        nothing = hashlib.sha256().digest()
        self.assertEqual(show_fingerprint(nothing), "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU")

    def test_other_lengths(self) -> None:
        """What is not 32 bytes long is no fingerprint."""
        for length in (0, 31, 33, 64):
            self.assertRaises(ValueError, show_fingerprint, bytes(length))

    @given(st.binary(min_size=32, max_size=32))
    def test_round_trip(self, fingerprint: bytes) -> None:
        """What is shown, in either form and in any case of hex digits, means the same again."""
        pairs = fingerprint.hex(":")
        shown = (show_fingerprint(fingerprint), fingerprint.hex(), pairs, pairs.upper(), f" {pairs}\n")
        self.assertEqual({parse_fingerprint(text) for text in shown}, {fingerprint})

    @given(
        st.text() | st.text("0123456789abcdefABCDEF:", min_size=60) | st.from_regex(r"SHA256:[\w+/=]{42,45}")
    )
    def test_any_text(self, text: str) -> None:
        """Any text is 32 bytes that are shown as this text, or one line that says what is allowed."""
        try:
            found = parse_fingerprint(text)
        except IdentityError as error:
            self.assertEqual(len(str(error).splitlines()), 1)
            self.assertIn("SHA256: and 43 characters, or 64 hexadecimal digits", str(error))
        else:
            text = text.strip()
            self.assertIn(
                text if text.startswith("SHA256") else text.lower(),
                (show_fingerprint(found), found.hex(), found.hex(":")),
            )

    def test_what_is_none(self) -> None:
        """What was cut, padded or mistyped is refused."""
        pairs = ANN.hex(":")
        for text in (
            "",
            "SHA256:",
            SHOWN_ANN[:-1],
            SHOWN_ANN + "=",
            SHOWN_ANN[:-1] + "9",  # bits that belong to no byte
            SHOWN_ANN.replace("SHA256", "sha256"),
            SHOWN_ANN.removeprefix("SHA256:"),
            SHOWN_ANN.replace("AA", "A A"),
            "MD5:" + ANN.hex()[:32],
            ANN.hex()[:-1],
            ANN.hex() + "00",
            pairs.replace(":", "-"),
            pairs.replace(":", "", 1),
            pairs + ":",
            "０" * 64,
        ):
            self.assertRaises(IdentityError, parse_fingerprint, text)

    def test_a_long_text_is_cut(self) -> None:
        """An error shows only the beginning of what is no fingerprint."""
        error = self.assertRaises(IdentityError, parse_fingerprint, "x" * 10_000)
        self.assertLess(len(str(error)), 200)


class DirectoryTests(SynchronousTestCase):
    """Where keys are kept."""

    def test_the_users_own(self) -> None:
        """Below the home directory, where the XDG base directory specification has them."""
        set_variables(self, HOME="/home/ann")
        self.assertEqual(data_directory(), Path("/home/ann/.local/share/udpchat"))
        self.assertEqual(state_directory(), Path("/home/ann/.local/state/udpchat"))

    def test_other_places(self) -> None:
        """XDG's variables name others."""
        set_variables(self, HOME="/home/ann", XDG_DATA_HOME="/data", XDG_STATE_HOME="/state")
        self.assertEqual(data_directory(), Path("/data/udpchat"))
        self.assertEqual(state_directory(), Path("/state/udpchat"))

    def test_systemd(self) -> None:
        """A unit's StateDirectory= is where a server's key goes, the first if there are several."""
        for given_by_systemd in ("/var/lib/udpchat", "/var/lib/udpchat:/var/lib/other"):
            set_variables(self, HOME="/", XDG_STATE_HOME="/state", STATE_DIRECTORY=given_by_systemd)
            self.assertEqual(state_directory(), Path("/var/lib/udpchat"))

    def test_no_home(self) -> None:
        """A user of whom the system knows no home directory is told so, as in a container."""
        set_variables(self)
        self.patch(pwd, "getpwuid", {}.__getitem__)
        for find in (data_directory, state_directory):
            self.assertIn("no home directory", str(self.assertRaises(IdentityError, find)))
