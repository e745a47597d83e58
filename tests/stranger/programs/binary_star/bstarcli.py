"""Binary star client: asks the primary, and the other one when there is no answer."""

import sys
import time

import zmq

REQUEST_TIMEOUT = 1000
SETTLE_DELAY = 2000


def main():
    """A request a second, in sequence, as many as the first argument says."""
    server = ["tcp://localhost:5001", "tcp://localhost:5002"]
    server_nbr = 0
    ctx = zmq.Context()
    client = ctx.socket(zmq.REQ)
    client.setsockopt(zmq.LINGER, 0)
    client.connect(server[server_nbr])
    poller = zmq.Poller()
    poller.register(client, zmq.POLLIN)
    sequence = 0
    last = int(sys.argv[1])
    while sequence < last:
        client.send_string(str(sequence))
        expect_reply = True
        while expect_reply:
            socks = dict(poller.poll(REQUEST_TIMEOUT))
            if socks.get(client) == zmq.POLLIN:
                reply = client.recv_string()
                if int(reply) == sequence:
                    expect_reply = False
                    print(f"I: server replied OK ({reply})", flush=True)
                    sequence += 1
                    time.sleep(1)
                else:
                    print(f"E: malformed reply from server: {reply}")
            else:
                print("W: no response from server, failing over", flush=True)
                time.sleep(SETTLE_DELAY / 1000)
                poller.unregister(client)
                client.close()
                server_nbr = (server_nbr + 1) % 2
                print("I: connecting to server at", server[server_nbr], flush=True)
                client = ctx.socket(zmq.REQ)
                client.setsockopt(zmq.LINGER, 0)
                poller.register(client, zmq.POLLIN)
                client.connect(server[server_nbr])
                client.send_string(str(sequence))
    print("client: done")


if __name__ == "__main__":
    main()
