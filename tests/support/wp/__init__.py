"""
wp — what the end-to-end, crash and benchmark tests are written with

  net        loopback addresses, waiting with a bound
  process    children that are always ended, by pid
  waypost    one Waypost: configuration, start, stop, kill, command line, logs
  client     an SMTP client that sends exactly the bytes it is told to
  smtpd      a scripted SMTP server that keeps exactly what it was sent
  faults     servers that misbehave, one small class each
  certs      a certificate authority for the length of a test run
  dns        a name server that answers as a test wants, also wrongly
  servers    real peers from Debian: Postfix, knot, unbound, smtp-sink
  proxy      a TCP proxy that delays and counts flights
  mail       messages, and the parts of bounces

Everything listens on addresses of 127.0.0.0/8 and ends with the test that made it. Every wait has
a bound. Nothing here asserts on wall-clock figures.
"""
