"""Binary star server, proof of concept: primary and backup watch each other and decide who serves (Guide chapter 4)."""

import argparse
import sys
import time

import zmq

STATE_PRIMARY = 1
STATE_BACKUP = 2
STATE_ACTIVE = 3
STATE_PASSIVE = 4

PEER_PRIMARY = 1
PEER_BACKUP = 2
PEER_ACTIVE = 3
PEER_PASSIVE = 4
CLIENT_REQUEST = 5

HEARTBEAT = 1000


class BStarState:
    """Our state, the last event, and until when the peer counts as alive."""

    def __init__(self, state, event, peer_expiry):
        self.state = state
        self.event = event
        self.peer_expiry = peer_expiry


class BStarError(Exception):
    """Both are active, or both passive."""


def run_fsm(fsm):
    """One step; raises BStarError when a client request must not be answered."""
    transitions = {
        STATE_PRIMARY: {
            PEER_BACKUP: ("I: connected to backup (passive), ready as active", STATE_ACTIVE),
            PEER_ACTIVE: ("I: connected to backup (active), ready as passive", STATE_PASSIVE),
        },
        STATE_BACKUP: {
            PEER_ACTIVE: ("I: connected to primary (active), ready as passive", STATE_PASSIVE),
            CLIENT_REQUEST: ("", False),
        },
        STATE_ACTIVE: {PEER_ACTIVE: ("E: fatal error - dual actives, aborting", False)},
        STATE_PASSIVE: {
            PEER_PRIMARY: ("I: primary (passive) is restarting, ready as active", STATE_ACTIVE),
            PEER_BACKUP: ("I: backup (passive) is restarting, ready as active", STATE_ACTIVE),
            PEER_PASSIVE: ("E: fatal error - dual passives, aborting", False),
            CLIENT_REQUEST: (CLIENT_REQUEST, True),
        },
    }
    if fsm.event not in transitions[fsm.state]:
        return
    message, state = transitions[fsm.state][fsm.event]
    if message == CLIENT_REQUEST:
        assert fsm.peer_expiry > 0
        if int(time.time() * 1000) > fsm.peer_expiry:
            fsm.state = STATE_ACTIVE
            print("I: failover successful, ready as active", flush=True)
        else:
            raise BStarError
    else:
        if message:
            print(message, flush=True)
        if state is False:
            raise BStarError
        fsm.state = state


def main():
    """Primary or backup."""
    parser = argparse.ArgumentParser()
    group = parser.add_mutually_exclusive_group()
    group.add_argument("-p", "--primary", action="store_true", default=False)
    group.add_argument("-b", "--backup", action="store_true", default=False)
    parser.add_argument("--seconds", type=float, default=0)
    args = parser.parse_args()
    ctx = zmq.Context()
    statepub = ctx.socket(zmq.PUB)
    statesub = ctx.socket(zmq.SUB)
    statesub.setsockopt_string(zmq.SUBSCRIBE, "")
    frontend = ctx.socket(zmq.ROUTER)
    fsm = BStarState(0, 0, 0)
    if args.primary:
        print("I: Primary active, waiting for backup (passive)")
        frontend.bind("tcp://*:5001")
        statepub.bind("tcp://*:5003")
        statesub.connect("tcp://localhost:5004")
        fsm.state = STATE_PRIMARY
    elif args.backup:
        print("I: Backup passive, waiting for primary (active)")
        frontend.bind("tcp://*:5002")
        statepub.bind("tcp://*:5004")
        statesub.connect("tcp://localhost:5003")
        fsm.state = STATE_BACKUP
        statesub.setsockopt_string(zmq.SUBSCRIBE, "")
    send_state_at = int(time.time() * 1000 + HEARTBEAT)
    poller = zmq.Poller()
    poller.register(frontend, zmq.POLLIN)
    poller.register(statesub, zmq.POLLIN)
    answered = 0
    end = time.time() + args.seconds if args.seconds else float("inf")
    while time.time() < end:
        time_left = max(0, send_state_at - int(time.time() * 1000))
        socks = dict(poller.poll(time_left))
        if socks.get(frontend) == zmq.POLLIN:
            msg = frontend.recv_multipart()
            fsm.event = CLIENT_REQUEST
            try:
                run_fsm(fsm)
                frontend.send_multipart(msg)
                answered += 1
            except BStarError:
                del msg
        if socks.get(statesub) == zmq.POLLIN:
            msg = statesub.recv()
            fsm.event = int(msg)
            del msg
            try:
                run_fsm(fsm)
                fsm.peer_expiry = int(time.time() * 1000) + 2 * HEARTBEAT
            except BStarError:
                break
        if int(time.time() * 1000) >= send_state_at:
            statepub.send(b"%d" % fsm.state)
            send_state_at = int(time.time() * 1000) + HEARTBEAT
    print(f"{'primary' if args.primary else 'backup'}: answered {answered}", file=sys.stdout, flush=True)
    ctx.destroy(linger=0)


if __name__ == "__main__":
    main()
