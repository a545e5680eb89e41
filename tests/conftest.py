"""Before the first test."""

import signal

# A shell starts what it runs in the background deaf to Ctrl-C, and whatever our tests start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
