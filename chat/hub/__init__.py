"""The chat itself: who is here, who is in which room, and who said what. No I/O, no clock, no addresses."""
