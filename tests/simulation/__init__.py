"""The whole chat in one process under a clock of its own: real layers, a hostile network, all seeded."""
