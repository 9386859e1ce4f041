"""The chat itself: who is here and who said what. No I/O, no clock, no addresses, no Deferred."""
