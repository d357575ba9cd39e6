"""Prints "ready", then the name of every signal that comes and how often that one has come. SIGTERM ends it, with status 3."""

import collections
import signal

COUNTED = {signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM,
           signal.SIGCONT, signal.SIGWINCH}

signal.pthread_sigmask(signal.SIG_BLOCK, COUNTED)
# What is ignored by default is dropped, blocked or not, unless there is a handler.
for one in (signal.SIGCONT, signal.SIGWINCH):
    signal.signal(one, lambda *_: None)
print("ready", flush=True)
counts = collections.Counter()
while True:
    came = signal.sigwaitinfo(COUNTED)
    received = signal.Signals(came.si_signo)
    if received == signal.SIGTERM:
        raise SystemExit(3)
    counts[received] += 1
    print(received.name, counts[received], flush=True)
