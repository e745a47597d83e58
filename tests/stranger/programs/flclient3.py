"""Freelance client, model three: a thousand requests through the agent."""

import sys
import time

from flcliapi import FreelanceClient


def main():
    """Send them one after the other."""
    client = FreelanceClient()
    for endpoint in sys.argv[1:]:
        client.connect(endpoint)
    requests = 1000
    failed = 0
    start = time.time()
    for _ in range(requests):
        reply = client.request([b"random name"])
        if not reply:
            print("E: Name service not available, aborting")
            failed += 1
            break
    print(f"{requests - failed} requests, average round trip {1e6 * (time.time() - start) / requests:.0f} us")


if __name__ == "__main__":
    main()
