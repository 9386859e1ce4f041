"""The tests of udpchat: `trial tests` and `pytest` run the same ones."""

from hypothesis import HealthCheck, settings

# However slow the machine is, no test fails for it.
settings.register_profile("udpchat", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("udpchat")
