import zmq
context = zmq.Context()
with context.socket(zmq.REQ) as client, context.socket(zmq.PUSH) as lonely:
    client.rcvtimeo = 50
    try:
        client.recv()
    except zmq.ZMQError as error:
        print(type(error).__name__, error.errno == zmq.EFSM)
    try:
        lonely.send(b"nobody", zmq.DONTWAIT)
    except zmq.Again as error:
        print(type(error).__name__, error.errno == zmq.EAGAIN, isinstance(error, zmq.ZMQError))
print(client.closed, lonely.closed)
context.term()
print(context.closed)
