"""Majordomo worker API: heartbeats, reconnects."""

import time

import MDP
import zmq


class MajorDomoWorker:
    """A worker for one service."""

    HEARTBEAT_LIVENESS = 3

    def __init__(self, broker, service):
        self.broker = broker
        self.service = service
        self.liveness = 0
        self.heartbeat = 2500
        self.reconnect = 2500
        self.timeout = 2500
        self.expect_reply = False
        self.reply_to = None
        self.worker = None
        self.reconnects = 0
        self.ctx = zmq.Context()
        self.poller = zmq.Poller()
        self.reconnect_to_broker()

    def reconnect_to_broker(self):
        """Connect, or connect again."""
        if self.worker:
            self.poller.unregister(self.worker)
            self.worker.close()
            self.reconnects += 1
        self.worker = self.ctx.socket(zmq.DEALER)
        self.worker.linger = 0
        self.worker.connect(self.broker)
        self.poller.register(self.worker, zmq.POLLIN)
        self.send_to_broker(MDP.W_READY, self.service, [])
        self.liveness = self.HEARTBEAT_LIVENESS
        self.heartbeat_at = time.time() + 1e-3 * self.heartbeat

    def send_to_broker(self, command, option=None, msg=None):
        """One command."""
        msg = [] if msg is None else msg
        if option:
            msg = [option, *msg]
        self.worker.send_multipart([b"", MDP.W_WORKER, command, *msg])

    def recv(self, reply=None):
        """Send the reply, if any, and wait for the next request; None when the broker let us go."""
        assert reply is not None or not self.expect_reply
        if reply is not None:
            assert self.reply_to is not None
            self.send_to_broker(MDP.W_REPLY, msg=[self.reply_to, b"", *reply])
        self.expect_reply = True
        while True:
            items = self.poller.poll(self.timeout)
            if items:
                msg = self.worker.recv_multipart()
                self.liveness = self.HEARTBEAT_LIVENESS
                assert len(msg) >= 3
                assert msg.pop(0) == b""
                assert msg.pop(0) == MDP.W_WORKER
                command = msg.pop(0)
                if command == MDP.W_REQUEST:
                    self.reply_to = msg.pop(0)
                    assert msg.pop(0) == b""
                    return msg
                if command == MDP.W_DISCONNECT:
                    return None
                assert command == MDP.W_HEARTBEAT
            else:
                self.liveness -= 1
                if self.liveness == 0:
                    print("W: disconnected from broker - retrying...", flush=True)
                    try:
                        time.sleep(1e-3 * self.reconnect)
                    except KeyboardInterrupt:
                        break
                    self.reconnect_to_broker()
            if time.time() > self.heartbeat_at:
                self.send_to_broker(MDP.W_HEARTBEAT)
                self.heartbeat_at = time.time() + 1e-3 * self.heartbeat
        return None

    def destroy(self):
        """Close everything."""
        self.ctx.destroy(0)
