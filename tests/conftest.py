"""For all tests."""

from hypothesis import HealthCheck, settings

# No timing decides a test, on however busy a machine.
settings.register_profile("nvinx", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("nvinx")
