"""Majordomo broker: a minimal Python implementation of RFC 7's broker (Guide chapter 4)."""

import logging
import sys
import time
from binascii import hexlify

import MDP
import zmq


class Service:
    """A name, requests that wait, workers that wait."""

    def __init__(self, name):
        self.name = name
        self.requests = []
        self.waiting = []


class Worker:
    """One worker, idle or active."""

    def __init__(self, identity, address, lifetime):
        self.identity = identity
        self.address = address
        self.service = None
        self.expiry = time.time() + 1e-3 * lifetime


class MajorDomoBroker:
    """Routes requests to workers by service name; both sides on one ROUTER."""

    INTERNAL_SERVICE_PREFIX = b"mmi."
    HEARTBEAT_LIVENESS = 3
    HEARTBEAT_INTERVAL = 2500
    HEARTBEAT_EXPIRY = HEARTBEAT_INTERVAL * HEARTBEAT_LIVENESS

    def __init__(self, verbose=False):
        self.verbose = verbose
        self.services = {}
        self.workers = {}
        self.waiting = []
        self.heartbeat_at = time.time() + 1e-3 * self.HEARTBEAT_INTERVAL
        self.ctx = zmq.Context()
        self.socket = self.ctx.socket(zmq.ROUTER)
        self.socket.linger = 0
        self.poller = zmq.Poller()
        self.poller.register(self.socket, zmq.POLLIN)
        logging.basicConfig(
            format="%(asctime)s %(message)s", datefmt="%Y-%m-%d %H:%M:%S", level=logging.INFO, stream=sys.stdout
        )

    def bind(self, endpoint):
        """Bind the broker; may be called several times."""
        self.socket.bind(endpoint)
        logging.info("I: MDP broker/0.1.1 is active at %s", endpoint)

    def mediate(self, until):
        """Main loop."""
        while time.time() < until:
            items = self.poller.poll(self.HEARTBEAT_INTERVAL)
            if items:
                msg = self.socket.recv_multipart()
                sender = msg.pop(0)
                empty = msg.pop(0)
                assert empty == b""
                header = msg.pop(0)
                if header == MDP.C_CLIENT:
                    self.process_client(sender, msg)
                elif header == MDP.W_WORKER:
                    self.process_worker(sender, msg)
                else:
                    logging.error("E: invalid message: %s", msg)
            self.purge_workers()
            self.send_heartbeats()
        for worker in list(self.workers.values()):
            self.delete_worker(worker, True)
        time.sleep(0.1)
        self.ctx.destroy(0)

    def process_client(self, sender, msg):
        """A request from a client."""
        assert len(msg) >= 2
        service = msg.pop(0)
        msg = [sender, b"", *msg]
        if service.startswith(self.INTERNAL_SERVICE_PREFIX):
            self.service_internal(service, msg)
        else:
            self.dispatch(self.require_service(service), msg)

    def process_worker(self, sender, msg):
        """A message from a worker."""
        command = msg.pop(0)
        worker_ready = hexlify(sender) in self.workers
        worker = self.require_worker(sender)
        if command == MDP.W_READY:
            service = msg.pop(0)
            if worker_ready or service.startswith(self.INTERNAL_SERVICE_PREFIX):
                self.delete_worker(worker, True)
            else:
                worker.service = self.require_service(service)
                self.worker_waiting(worker)
        elif command == MDP.W_REPLY:
            if worker_ready:
                client = msg.pop(0)
                msg.pop(0)
                self.socket.send_multipart([client, b"", MDP.C_CLIENT, worker.service.name, *msg])
                self.worker_waiting(worker)
            else:
                self.delete_worker(worker, True)
        elif command == MDP.W_HEARTBEAT:
            if worker_ready:
                worker.expiry = time.time() + 1e-3 * self.HEARTBEAT_EXPIRY
            else:
                self.delete_worker(worker, True)
        elif command == MDP.W_DISCONNECT:
            self.delete_worker(worker, False)

    def delete_worker(self, worker, disconnect):
        """Forget a worker, and tell it."""
        if disconnect:
            self.send_to_worker(worker, MDP.W_DISCONNECT, None, None)
        if worker.service is not None and worker in worker.service.waiting:
            worker.service.waiting.remove(worker)
        if worker in self.waiting:
            self.waiting.remove(worker)
        self.workers.pop(worker.identity)

    def require_worker(self, address):
        """Find it, or make it."""
        identity = hexlify(address)
        worker = self.workers.get(identity)
        if worker is None:
            worker = Worker(identity, address, self.HEARTBEAT_EXPIRY)
            self.workers[identity] = worker
            if self.verbose:
                logging.info("I: registering new worker: %s", identity)
        return worker

    def require_service(self, name):
        """Find it, or make it."""
        service = self.services.get(name)
        if service is None:
            service = self.services[name] = Service(name)
        return service

    def service_internal(self, service, msg):
        """RFC 8: mmi.service says whether a service is known."""
        returncode = b"501"
        if service == b"mmi.service":
            name = msg[-1]
            returncode = b"200" if name in self.services else b"404"
        msg[-1] = returncode
        self.socket.send_multipart([*msg[:2], MDP.C_CLIENT, service, *msg[2:]])

    def send_heartbeats(self):
        """To idle workers, when it is time."""
        if time.time() > self.heartbeat_at:
            for worker in self.waiting:
                self.send_to_worker(worker, MDP.W_HEARTBEAT, None, None)
            self.heartbeat_at = time.time() + 1e-3 * self.HEARTBEAT_INTERVAL

    def purge_workers(self):
        """Workers are oldest first: stop at the first that is alive."""
        while self.waiting:
            w = self.waiting[0]
            if w.expiry < time.time():
                logging.info("I: deleting expired worker: %s", len(w.identity))
                self.delete_worker(w, False)
            else:
                break

    def worker_waiting(self, worker):
        """It wants work."""
        self.waiting.append(worker)
        worker.service.waiting.append(worker)
        worker.expiry = time.time() + 1e-3 * self.HEARTBEAT_EXPIRY
        self.dispatch(worker.service, None)

    def dispatch(self, service, msg):
        """Requests to workers as far as there are both."""
        if msg is not None:
            service.requests.append(msg)
        self.purge_workers()
        while service.waiting and service.requests:
            msg = service.requests.pop(0)
            worker = service.waiting.pop(0)
            self.waiting.remove(worker)
            self.send_to_worker(worker, MDP.W_REQUEST, None, msg)

    def send_to_worker(self, worker, command, option, msg=None):
        """One command to one worker."""
        if msg is None:
            msg = []
        elif not isinstance(msg, list):
            msg = [msg]
        if option is not None:
            msg = [option, *msg]
        self.socket.send_multipart([worker.address, b"", MDP.W_WORKER, command, *msg])


def main():
    """Serve for as many seconds as the first argument says."""
    broker = MajorDomoBroker("-v" in sys.argv)
    broker.bind("tcp://*:5555")
    broker.mediate(time.time() + float(sys.argv[1]))


if __name__ == "__main__":
    main()
