"""Tell twistd and twist that there is a service named udpchat."""

from twisted.application.service import ServiceMaker

udpchat = ServiceMaker("udpchat", "chat.server.tap", "A chat over UDP that nc -u can join.", "udpchat")
