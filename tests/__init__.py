"""The tests of udpchat: `trial tests` and `pytest` run the same ones."""

import atexit
import faulthandler
import os
import tempfile

from hypothesis import HealthCheck, settings

# However slow the machine is, no test fails for it.
settings.register_profile("udpchat", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("udpchat")

# Keys that tests make, in this process or in those that it starts, never get into the home of who runs them.
if "udpchat-tests-" not in os.environ.get("XDG_STATE_HOME", ""):
    _home = tempfile.TemporaryDirectory(prefix="udpchat-tests-")
    atexit.register(_home.cleanup)
    os.environ["XDG_DATA_HOME"] = os.environ["XDG_STATE_HOME"] = _home.name
    os.environ.pop("STATE_DIRECTORY", None)

# For whoever runs them where nobody looks: what is still at it after so many seconds says where it is.
if "UDPCHAT_WHERE_AFTER" in os.environ:
    faulthandler.dump_traceback_later(float(os.environ["UDPCHAT_WHERE_AFTER"]))
