"""The tests of udpchat: `trial tests` and `pytest` run the same ones."""
