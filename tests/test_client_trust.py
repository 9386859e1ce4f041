"""Tests of `chat.client.trust`, as a whole client has it: who a server is, and what it is not told."""

from __future__ import annotations

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificate
from twisted.logger import LogLevel, capturedLogs

from chat.client.happenings import Abandoned, FirstContact, Link
from chat.client.trust import ServerKeyChanged
from chat.fingerprints import show_fingerprint
from chat.identity import IdentityError
from chat.wire.dtls_channel import fingerprint
from chat.wire.dtls_records import APPLICATION, split
from tests.client_network import Host, NetworkTestCase, Person
from tests.dtls_support import pair

RIGHT, WRONG = fingerprint(pair("server")[1]), fingerprint(pair("eve")[1])
PLACE = "chat.example:6789"


class TrustTests(NetworkTestCase):
    """Which server is the right one."""

    def setUp(self) -> None:
        """Start a server."""
        super().setUp()
        self.host = Host(self.network)

    def assert_hidden(self, ann: Person) -> None:
        """Check what left: neither Ann's certificate nor a record with a plaintext."""
        certificate = load_pem_x509_certificate(pair("ann")[1]).public_bytes(Encoding.DER)
        ours = [sent.datagram for sent in self.sent_by(ann)]
        self.assertTrue(ours)
        self.assertFalse(any(certificate[-64:] in datagram for datagram in ours))
        self.assertNotIn(APPLICATION, [record[0] for datagram in ours for record in split(datagram)])

    def test_first_contact(self) -> None:
        """A server never met before is trusted, told of, and remembered; the next time it is known."""
        ann = self.enter("ann")
        self.assertEqual(ann.told(FirstContact), [FirstContact(PLACE, RIGHT)])
        self.assertEqual(self.known.get(PLACE), RIGHT)
        self.assertRaises(self.failureException, self.assert_hidden, ann)
        self.assertEqual(self.enter("bob").told(FirstContact), [])

    def test_what_is_no_fingerprint(self) -> None:
        """A pinned fingerprint that can be none means no server: neither one met first nor one known."""
        self.enter("bob")
        for pinned in (b"", b"SHA256:", RIGHT[1:]):
            ann = Person(self, "ann", pinned=pinned)
            entering = ann.client.connect()
            self.network.run()
            self.failureResultOf(entering, IdentityError)
            self.assertIn("fingerprint", self.successResultOf(ann.client.closed))
            self.assertEqual(self.sent_by(ann), [])

    def test_a_changed_key(self) -> None:
        """A server with another key than the one remembered is the end, and nothing is sent to it."""
        self.known.add(PLACE, WRONG)
        ann = Person(self, "ann")
        entering, saying = ann.client.connect(), ann.client.say("secret")
        self.network.run()
        error = self.failureResultOf(entering, ServerKeyChanged).value
        self.assertEqual((error.place, error.expected, error.offered), (PLACE, WRONG, RIGHT))
        for part in (show_fingerprint(WRONG), show_fingerprint(RIGHT), str(self.known.path), "--fingerprint"):
            self.assertIn(part, error.text)
        self.assertEqual(str(error), error.text)
        self.failureResultOf(saying, Abandoned)
        self.failureResultOf(ann.client.closed, ServerKeyChanged)
        self.assertIs(ann.client.state, Link.CLOSED)
        self.assert_hidden(ann)
        self.assertEqual(ann.reactor.open_ports, [])

    def test_a_key_that_changes(self) -> None:
        """A server that comes back with another key is the end too, even if that was its first day."""
        ann = self.enter("ann")
        self.host.kill()
        self.host.name = "eve"
        self.host.start()
        saying = ann.client.say("secret")
        self.network.run(10.0)
        self.failureResultOf(ann.client.closed, ServerKeyChanged)
        self.failureResultOf(saying, Abandoned)
        self.assertEqual(ann.links, ["connected", "silent", "closed"])

    def test_closed_sockets(self) -> None:
        """When it is over the sockets are closed, also those of attempts that had ended before."""
        gone: list[bool] = []
        self.known.add(PLACE, WRONG)
        ann = Person(self, "ann")
        ann.client.connect().addErrback(lambda _: None)
        ann.client.closed.addErrback(lambda _: gone.extend(port.is_gone for port in ann.reactor.ports))
        self.network.run()
        self.assertGreaterEqual(len(gone), 1)
        self.assertTrue(all(gone), gone)

    def test_a_key_that_another_program_has_met(self) -> None:
        """What the file has by the time that a server answers counts, not what it had when we began."""
        self.host.kill()
        ann = Person(self, "ann")
        entering, saying = ann.client.connect(), ann.client.say("secret")
        self.network.run(5.0)
        self.known.add(PLACE, WRONG)
        self.host.start()
        self.network.run(20.0)
        error = self.failureResultOf(entering, ServerKeyChanged).value
        self.assertEqual((error.expected, error.offered), (WRONG, RIGHT))
        self.failureResultOf(saying, Abandoned)
        self.failureResultOf(ann.client.closed, ServerKeyChanged)
        self.assertEqual((self.known.get(PLACE), ann.reactor.open_ports), (WRONG, []))

    def test_pinned(self) -> None:
        """A key that was given beforehand must be the server's, and is remembered if none was."""
        bob = Person(self, "bob", pinned=WRONG)
        entering = bob.client.connect()
        self.network.run()
        self.assertNotIn(str(self.known.path), self.failureResultOf(entering, ServerKeyChanged).value.text)
        self.failureResultOf(bob.client.closed, ServerKeyChanged)
        ann = self.enter("ann", pinned=RIGHT)
        self.assertEqual(ann.told(FirstContact), [])
        self.assertEqual(self.known.get(PLACE), RIGHT)

    def test_pinned_for_once(self) -> None:
        """It counts more than the one that is remembered, which stays."""
        self.known.add(PLACE, WRONG)
        with capturedLogs() as logged:
            self.enter("ann", pinned=RIGHT)
        self.assertEqual([each for each in logged if each["log_level"] is LogLevel.warn], [])
        self.assertEqual(self.known.get(PLACE), WRONG)

    def test_a_file_that_is_wrong(self) -> None:
        """A list of servers that cannot be read is the end: a known server might be in it."""
        self.known.path.write_text("chat.example is fine\n")
        self.known.path.chmod(0o600)
        ann = Person(self, "ann")
        self.failureResultOf(ann.client.connect(), IdentityError)
        self.assertEqual(self.network.sent, [])

    def test_a_file_that_cannot_be_written(self) -> None:
        """A server that cannot be remembered is trusted for this once, and the log has it."""
        self.known.path.parent.joinpath("known_servers.lock").mkdir()
        with capturedLogs() as logged:
            ann = self.enter("ann")
        (warning,) = [each for each in logged if each["log_level"] is LogLevel.warn]
        self.assertIn("known_servers", warning["error"])
        self.assertEqual(ann.told(FirstContact), [FirstContact(PLACE, RIGHT)])
        self.assertIsNone(self.known.get(PLACE))
        self.host.restart()
        ann.client.say("hello")
        self.network.run(10.0)
        self.assertEqual(ann.texts, ["hello"])
