"""Freelance server, model three: a ROUTER whose identity is its endpoint; answers PING by PONG and requests by OK."""

import sys

import zmq


def main():
    """Answer until nobody has spoken for ten seconds."""
    verbose = "-v" in sys.argv
    bind_endpoint = sys.argv[1]
    connect_endpoint = sys.argv[2]
    ctx = zmq.Context()
    server = ctx.socket(zmq.ROUTER)
    server.identity = connect_endpoint.encode()
    server.bind(bind_endpoint)
    print("I: service is ready at", bind_endpoint)
    while server.poll(10_000):
        try:
            request = server.recv_multipart()
        except KeyboardInterrupt:
            break
        if verbose:
            print(request)
        address, control = request[:2]
        reply = [address, control]
        if control == b"PING":
            reply[1] = b"PONG"
        else:
            reply.append(b"OK")
        server.send_multipart(reply)
    print("W: nobody there, stopping")
    server.close()
    ctx.destroy()


if __name__ == "__main__":
    main()
