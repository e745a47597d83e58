"""Majordomo client API: lazy pirate towards the broker."""

import logging

import MDP
import zmq


class MajorDomoClient:
    """Requests with retries."""

    def __init__(self, broker):
        self.broker = broker
        self.retries = 3
        self.timeout = 2500
        self.ctx = zmq.Context()
        self.poller = zmq.Poller()
        self.client = None
        self.reconnect_to_broker()

    def reconnect_to_broker(self):
        """A new REQ socket."""
        if self.client:
            self.poller.unregister(self.client)
            self.client.close()
        self.client = self.ctx.socket(zmq.REQ)
        self.client.linger = 0
        self.client.connect(self.broker)
        self.poller.register(self.client, zmq.POLLIN)

    def send(self, service, request):
        """The reply, or None after all retries."""
        if not isinstance(request, list):
            request = [request]
        request = [MDP.C_CLIENT, service, *request]
        retries = self.retries
        while retries > 0:
            self.client.send_multipart(request)
            try:
                items = self.poller.poll(self.timeout)
            except KeyboardInterrupt:
                break
            if items:
                msg = self.client.recv_multipart()
                assert len(msg) >= 3
                assert msg.pop(0) == MDP.C_CLIENT
                assert msg.pop(0) == service
                return msg
            if retries:
                logging.warning("W: no reply, reconnecting...")
                self.reconnect_to_broker()
            retries -= 1
        return None

    def destroy(self):
        """Close everything."""
        self.ctx.destroy()
