"""Majordomo client: asks for a service, then sends requests one after the other."""

import sys

from mdcliapi import MajorDomoClient


def main():
    """As many requests as the first argument says."""
    client = MajorDomoClient("tcp://localhost:5555")
    wanted = int(sys.argv[1])
    print("echo service:", client.send(b"mmi.service", b"echo")[0].decode())
    count = 0
    while count < wanted:
        if client.send(b"echo", b"Hello world") is None:
            break
        count += 1
    print(f"{count} requests/replies processed")
    client.destroy()


if __name__ == "__main__":
    main()
