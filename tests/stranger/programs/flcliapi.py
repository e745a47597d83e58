"""Freelance pattern, model three: an agent in a background thread knows the servers and who is alive."""

import threading
import time

import zmq
from zhelpers import zpipe

GLOBAL_TIMEOUT = 3000
PING_INTERVAL = 2000
SERVER_TTL = 6000


class FreelanceClient:
    """The front end: commands go to the agent over a pipe."""

    def __init__(self):
        self.ctx = zmq.Context()
        self.pipe, peer = zpipe(self.ctx)
        self.agent = threading.Thread(target=agent_task, args=(self.ctx, peer))
        self.agent.daemon = True
        self.agent.start()

    def connect(self, endpoint):
        """Tell the agent of a server, and let it connect."""
        self.pipe.send_multipart([b"CONNECT", endpoint.encode()])
        time.sleep(0.1)

    def request(self, msg):
        """Send a request, get the reply, or None when it failed."""
        self.pipe.send_multipart([b"REQUEST", *msg])
        reply = self.pipe.recv_multipart()
        if reply.pop(0) != b"FAILED":
            return reply
        return None


class FreelanceServer:
    """One server as the agent sees it."""

    def __init__(self, endpoint):
        self.endpoint = endpoint
        self.alive = True
        self.ping_at = time.time() + 1e-3 * PING_INTERVAL
        self.expires = time.time() + 1e-3 * SERVER_TTL

    def ping(self, socket):
        """Ping when it is time."""
        if time.time() > self.ping_at:
            socket.send_multipart([self.endpoint, b"PING"])
            self.ping_at = time.time() + 1e-3 * PING_INTERVAL

    def tickless(self, tickless):
        """The earlier of ``tickless`` and our next ping."""
        return min(tickless, self.ping_at)


class FreelanceAgent:
    """All that the background thread knows."""

    def __init__(self, ctx, pipe):
        self.ctx = ctx
        self.pipe = pipe
        self.router = ctx.socket(zmq.ROUTER)
        self.servers = {}
        self.actives = []
        self.sequence = 0
        self.request = None
        self.expires = 0

    def control_message(self):
        """A command of the front end."""
        msg = self.pipe.recv_multipart()
        command = msg.pop(0)
        if command == b"CONNECT":
            endpoint = msg.pop(0)
            print(f"I: connecting to {endpoint.decode()}...")
            self.router.connect(endpoint.decode())
            server = FreelanceServer(endpoint)
            self.servers[endpoint] = server
            self.actives.append(server)
            server.ping_at = time.time() + 1e-3 * PING_INTERVAL
            server.expires = time.time() + 1e-3 * SERVER_TTL
        elif command == b"REQUEST":
            assert not self.request
            self.request = [str(self.sequence).encode(), *msg]
            self.expires = time.time() + 1e-3 * GLOBAL_TIMEOUT

    def router_message(self):
        """Something from a server: it is alive."""
        reply = self.router.recv_multipart()
        endpoint = reply.pop(0)
        server = self.servers[endpoint]
        if not server.alive:
            self.actives.append(server)
            server.alive = True
        server.ping_at = time.time() + 1e-3 * PING_INTERVAL
        server.expires = time.time() + 1e-3 * SERVER_TTL
        sequence = reply.pop(0)
        if sequence == str(self.sequence).encode():
            self.sequence += 1
            reply = [b"OK", *reply]
            self.pipe.send_multipart(reply)
            self.request = None


def agent_task(ctx, pipe):
    """Poll the front end and the servers; a tickless timer for pings and expiry."""
    agent = FreelanceAgent(ctx, pipe)
    poller = zmq.Poller()
    poller.register(agent.pipe, zmq.POLLIN)
    poller.register(agent.router, zmq.POLLIN)
    while True:
        tickless = time.time() + 3600
        if agent.request and tickless > agent.expires:
            tickless = agent.expires
        for server in agent.servers.values():
            tickless = server.tickless(tickless)
        try:
            items = dict(poller.poll(max(0, 1000 * (tickless - time.time()))))
        except zmq.ContextTerminated:
            break
        if agent.pipe in items:
            agent.control_message()
        if agent.router in items:
            agent.router_message()
        if agent.request:
            if time.time() >= agent.expires:
                agent.pipe.send(b"FAILED")
                agent.request = None
            else:
                while agent.actives:
                    server = agent.actives[0]
                    if time.time() >= server.expires:
                        server.alive = False
                        agent.actives.pop(0)
                    else:
                        agent.router.send_multipart([server.endpoint, *agent.request])
                        break
        for server in agent.servers.values():
            server.ping(agent.router)
