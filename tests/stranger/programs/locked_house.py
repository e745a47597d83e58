"""A server that only lets in whom it has a certificate of, and somebody who has none."""

import tempfile
import threading
from pathlib import Path

import zmq
import zmq.auth
from zmq.auth.thread import ThreadAuthenticator
from zmq.utils.monitor import recv_monitor_message


def watch(monitor: zmq.Socket) -> None:
    while True:
        event = recv_monitor_message(monitor)
        print(event["event"].name, flush=True)
        if event["event"] == zmq.EVENT_MONITOR_STOPPED:
            break
    monitor.close()


def main() -> None:
    keys = Path(tempfile.mkdtemp())
    known = keys / "known"
    known.mkdir()
    for folder, name in ((keys, "server"), (known, "friend"), (keys, "stranger")):
        zmq.auth.create_certificates(folder, name)
    context = zmq.Context()
    doorman = ThreadAuthenticator(context)
    doorman.start()
    doorman.configure_curve(domain="house", location=str(known))

    server = context.socket(zmq.REP)
    public, server.curve_secretkey = zmq.auth.load_certificate(keys / "server.key_secret")
    server.curve_server = True
    server.zap_domain = b"house"
    watcher = threading.Thread(target=watch, args=(server.get_monitor_socket(),))
    watcher.start()
    port = server.bind_to_random_port("tcp://127.0.0.1")

    for name in (known / "friend", keys / "stranger"):
        client = context.socket(zmq.REQ)
        client.linger = 0
        client.curve_publickey, client.curve_secretkey = zmq.auth.load_certificate(f"{name}.key_secret")
        client.curve_serverkey = public
        client.connect(f"tcp://127.0.0.1:{port}")
        client.send(b"may I?")
        if server.poll(300):
            frame = server.recv(copy=False)
            print(frame.bytes.decode(), len(frame.get("User-Id")), flush=True)
            server.send(b"come in")
            print(client.recv().decode(), flush=True)
        else:
            print("nobody answers", flush=True)
        client.close()
    server.close()
    watcher.join()
    doorman.stop()
    context.term()


if __name__ == "__main__":
    main()
