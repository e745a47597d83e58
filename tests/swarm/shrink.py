"""The smallest plan that still breaks a law: what can be left out of a plan is left out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from .plan import NodePlan, Plan, Step
from .world import Outcome, play


def shrink(plan: Plan, most_plays: int = 3000, said: Callable[[str], None] | None = None) -> tuple[Plan, Outcome]:
    """Try smaller plans until none of them breaks the law that the plan breaks first."""
    outcome = play(plan)
    law = _law(outcome)
    plays = 0
    smaller = True
    while smaller:
        smaller = False
        for candidate in _smaller(plan):
            plays += 1
            if plays > most_plays:
                return plan, outcome
            tried = play(candidate)
            if tried.broken and _law(tried) == law:
                plan, outcome, smaller = candidate, tried, True
                if said is not None:
                    said(f"{sum(len(node.steps) for node in plan.nodes)} steps after {plays} plays")
                break
    return plan, outcome


def _law(outcome: Outcome) -> str:
    """What was broken, without the numbers and names."""
    first = outcome.broken[0].partition(" ms: ")[2] if outcome.broken else ""
    return re.sub(r"b'[^']*'|\b\w*\d\w*\b", "", first)[:60]


def _smaller(plan: Plan) -> Iterator[Plan]:
    for position in range(len(plan.nodes)):
        yield replace(plan, nodes=plan.nodes[:position] + plan.nodes[position + 1 :])
    for position in range(len(plan.faults)):
        yield replace(plan, faults=plan.faults[:position] + plan.faults[position + 1 :])
    for position, link in enumerate(plan.links):
        if link.shape:
            bare = replace(link, shape=link.shape[1:])
            yield replace(plan, links=(*plan.links[:position], bare, *plan.links[position + 1 :]))
    if plan.looks_ns:
        yield replace(plan, looks_ns=())
    for position, node in enumerate(plan.nodes):
        for changed in _smaller_nodes(node):
            yield replace(plan, nodes=(*plan.nodes[:position], changed, *plan.nodes[position + 1 :]))


def _smaller_nodes(node: NodePlan) -> Iterator[NodePlan]:
    steps = node.steps
    length = len(steps) // 2
    while length:
        for start in range(0, len(steps), length):
            yield replace(node, steps=steps[:start] + steps[start + length :])
        length //= 2
    if node.delay_ns:
        yield replace(node, delay_ns=0)
    for position, socket in enumerate(node.sockets):
        others = node.sockets[:position], node.sockets[position + 1 :]
        if not any(step.socket == socket.name for step in steps):
            yield replace(node, sockets=(*others[0], *others[1]))
            continue
        for index in range(len(socket.options)):
            bare = replace(socket, options=socket.options[:index] + socket.options[index + 1 :])
            yield replace(node, sockets=(*others[0], bare, *others[1]))
        for index in range(len(socket.ends)):
            if len(socket.ends) > 1:
                bare = replace(socket, ends=socket.ends[:index] + socket.ends[index + 1 :])
                yield replace(node, sockets=(*others[0], bare, *others[1]))
        if len(socket.topics) > 1:
            yield replace(node, sockets=(*others[0], replace(socket, topics=socket.topics[:1]), *others[1]))
    for position, step in enumerate(steps):
        for changed in _smaller_steps(step):
            yield replace(node, steps=(*steps[:position], changed, *steps[position + 1 :]))


def _smaller_steps(step: Step) -> Iterator[Step]:
    if step.size > 0:
        yield replace(step, size=0)
    if step.verb == "sleep":
        round_ns = 1000 * 10 ** len(str(step.amount // 1000))
        if step.amount % 1000:
            yield replace(step, amount=round_ns)
    elif step.amount > 1:
        yield replace(step, amount=1)
        yield replace(step, amount=step.amount // 2)
        if step.amount <= 30:
            yield replace(step, amount=step.amount - 1)
