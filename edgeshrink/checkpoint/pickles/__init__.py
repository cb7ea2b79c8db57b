"""What torch's files hold as pickles: interpreted and made real, never run (but by ``--trust-pickle``)."""
