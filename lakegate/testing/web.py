"""HTTP as tests speak it, to servers of their own.

httpx's functions give up after five seconds, which is nothing on a busy machine, and read the machine's certificates
for every request.
"""

from __future__ import annotations

import httpx

web = httpx.Client(timeout=60, verify=False, limits=httpx.Limits(max_keepalive_connections=0))
"""One client for all: it waits as long as a test may, and keeps no connection that could hold a server up."""
