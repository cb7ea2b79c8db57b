"""The GPU's primary context for the process."""

import atexit

from . import driver

driver.init()
device = driver.Device(0)
context = device.retain_primary_context()
context.push()
atexit.register(context.pop)
