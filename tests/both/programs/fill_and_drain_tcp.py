import zmq
context = zmq.Context.instance()
push, pull = context.socket(zmq.PUSH), context.socket(zmq.PULL)
push.connect(f"tcp://127.0.0.1:{pull.bind_to_random_port('tcp://127.0.0.1')}")
filled = [push.send_multipart([b"job", b"%d" % n]) for n in range(500)]
drained = [pull.recv_multipart() for _ in filled]
print(f"PUSH took {len(filled)}, PULL drained {len(drained)}, first {drained[0]}, last {drained[-1]}")
