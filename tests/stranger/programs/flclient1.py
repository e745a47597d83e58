"""Freelance client, model one: try each server in turn, with REQ sockets that are thrown away."""

import sys

import zmq

REQUEST_TIMEOUT = 1000
MAX_RETRIES = 3


def try_request(ctx, endpoint, request):
    """The reply, or None when there was none in time."""
    print(f"I: Trying echo service at {endpoint}...")
    client = ctx.socket(zmq.REQ)
    client.setsockopt(zmq.LINGER, 0)
    client.connect(endpoint)
    client.send(request)
    poll = zmq.Poller()
    poll.register(client, zmq.POLLIN)
    socks = dict(poll.poll(REQUEST_TIMEOUT))
    reply = client.recv_multipart() if socks.get(client) == zmq.POLLIN else ""
    poll.unregister(client)
    client.close()
    return reply


context = zmq.Context()
request = b"Hello world"
reply = None
endpoints = len(sys.argv) - 1
if endpoints == 0:
    print(f"I: syntax: {sys.argv[0]} <endpoint> ...")
elif endpoints == 1:
    for retries in range(MAX_RETRIES):
        reply = try_request(context, sys.argv[1], request)
        if reply:
            break
        print(f"W: No response from {sys.argv[1]}, retrying")
else:
    for endpoint in sys.argv[1:]:
        reply = try_request(context, endpoint, request)
        if reply:
            break
        print(f"W: No response from {endpoint}")
if reply:
    print("Service is running OK")
