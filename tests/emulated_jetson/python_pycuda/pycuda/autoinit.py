"""A context of its own for the process."""

import atexit

from . import driver

driver.init()
device = driver.Device(0)
context = device.make_context()
atexit.register(context.pop)
