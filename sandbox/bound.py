"""`bound.py COMMAND …`: become COMMAND, which the kernel ends when the one who started it is gone.

Linux only (prctl); elsewhere COMMAND runs without that.
"""

import ctypes
import os
import signal
import sys

_SET_PARENT_DEATH_SIGNAL = 1

if sys.platform == "linux":
    ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, int(signal.SIGTERM))
os.execvp(sys.argv[1], sys.argv[1:])
