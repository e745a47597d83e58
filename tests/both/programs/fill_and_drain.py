import zmq
context = zmq.Context()
push, pull = context.socket(zmq.PUSH), context.socket(zmq.PULL)
push.bind("inproc://jobs"), pull.connect("inproc://jobs")
filled = [push.send_string(f"job {n}") for n in range(5000) if push.poll(0, zmq.POLLOUT)]
drained = [pull.recv_string() for _ in filled if pull.poll(100)]
print(f"PUSH took {len(filled)} of 5000, PULL drained {len(drained)}, the last was {drained[-1]}")
