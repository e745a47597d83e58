"""Whatever stands in a file: one message with file, key, value and what would have been right, and no traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness import config
from harness.config import ConfigError, Problem

ROOT = Path(__file__).resolve().parent.parent

PATTERN = """
title = "T"
duration = "5s"
warmup = "1s"
exercises = ["queueing"]

[pattern]
kind = "pubsub"
rate = "2k/s"
size = "512B"
subscribers = { fast = 1, slow = 1 }

[node.slow]
service = { constant = "1ms" }
options = { rcvhwm = 100 }

[fault.slowdown]
kind = "slow"
node = "slow"
at = "1s"
lasts = "1s"
factor = 4

[variant.bigger]
node.pub.options.sndhwm = 10000
"""

OWN = """
duration = "5s"

[node.a]
program = "mine.py:source"
arrivals = { constant = "10/s" }

[node.b]
program = "mine.py:sink"

[endpoint.data]
transport = "tcp"
binder = "a"
binder_type = "PUSH"
connecters = ["b"]
connecter_type = "PULL"

[flow.data]
senders = ["a"]
receivers = ["b"]
delivery = "one"
endpoint = "data"
"""

TOPICS = """
duration = "2s"

[pattern]
kind = "topics"
rate = "2k/s"
subscribers = SUBSCRIBERS
"""

PROGRAMS = """
from dataclasses import dataclass
from harness.load import Arrivals

@dataclass(frozen=True)
class Options:
    arrivals: Arrivals

def source(node, options: Options): pass
def sink(node, options): pass
def lonely(node): pass
async def later(node, options): pass
"""


@dataclass(frozen=True)
class Broken:
    """A right file with one thing changed, and the words that must stand in the message."""

    name: str
    old: str
    new: str
    words: tuple[str, ...]
    base: str = PATTERN

    def text(self) -> str:
        assert self.old in self.base
        return self.base.replace(self.old, self.new, 1)


def of_pattern(name: str, old: str, new: str, *words: str) -> Broken:
    return Broken(name, old, new, words)


def of_topics(name: str, subscribers: str, *words: str) -> Broken:
    return Broken(name, "SUBSCRIBERS", subscribers, words, TOPICS)


def of_own(name: str, old: str, new: str, *words: str) -> Broken:
    return Broken(name, old, new, words, OWN)


RATE, SIZE, SUBS = 'rate = "2k/s"', 'size = "512B"', "subscribers = { fast = 1, slow = 1 }"
HWM, SERVICE = "rcvhwm = 100", '{ constant = "1ms" }'

BROKEN = [
    # tables of texts
    of_topics("no table of texts", '[""]', "pattern.subscribers = ", "must name one node or more", 'few = ["news"'),
    of_topics("table without a node", "{}", "pattern.subscribers = {}", "must name one node or more"),
    of_topics("text for a list", '{ all = "" }', "pattern.subscribers.all = ", "must be a list of texts"),
    of_topics("empty list of texts", "{ all = [] }", "pattern.subscribers.all = []", "must be a list of texts"),
    of_topics("no name of a node", '{ "a b" = ["x"] }', "pattern.subscribers.a b = ", "letters, digits and -"),
    of_topics("same text twice", '{ all = ["x", "x"] }', "pattern.subscribers.all = ", "twice"),
    # keys
    of_pattern("unknown key", "title", "titel", 'titel = "T"', 'did you mean "title"?'),
    of_pattern("unknown key, nothing near", "title", "zzz", 'zzz = "T"', "unknown key", "duration"),
    of_pattern("unknown section", "[node.slow]", "[nodes.slow]", "nodes = {slow}", 'did you mean "node"?'),
    of_pattern("unknown key of a pattern", SIZE, 'sice = "512B"', 'pattern.sice = "512B"', 'did you mean "size"?'),
    of_pattern("unit in the key", SIZE, "size_bytes = 512", "pattern.size_bytes = 512", 'write size = "512B"'),
    of_pattern("unknown key of a node", "service", "servise", "node.slow.servise = ", 'did you mean "service"?'),
    of_pattern(
        "key of another role", "service", "arrivals", "node.slow.arrivals = ", "service, start, memory, options"
    ),
    of_pattern("unknown key of a fault", "lasts", "last", 'fault.slowdown.last = "1s"', 'did you mean "lasts"?'),
    of_pattern("memory without a unit", "service", "memory = 64\nservice", "node.slow.memory = 64", '"512B", "8KiB"'),
    of_pattern("little memory", "service", 'memory = "64kB"\nservice', "is out of range; write 1MiB to 4GiB"),
    of_pattern("program beside a pattern", "service", "program", "node.slow.program = ", "unknown key", "service"),
    of_pattern("link of nobody", "[node.slow]", "[link.slo]\n[node.slow]", "link.slo = {}", 'did you mean "slow"?'),
    of_pattern("link is no table", "[node.slow]", "[link]\nslow = 1\n[node.slow]", "link.slow = 1", "must be a table"),
    of_pattern(
        "unknown key of a link", "[node.slow]", '[link.slow]\ndelai = "1ms"\n[node.slow]', 'did you mean "delay"?'
    ),
    of_pattern(
        "bandwidth of messages",
        "[node.slow]",
        '[link.slow]\nrate = "2k/s"\n[node.slow]',
        'link.slow.rate = "2k/s"',
        "Mbit/s",
    ),
    of_pattern(
        "bandwidth of nothing",
        "[node.slow]",
        '[link.slow]\nrate = "0bit/s"\n[node.slow]',
        "link.slow.rate",
        "less than a byte a second",
    ),
    of_pattern(
        "more than all is lost", "[node.slow]", "[link.slow]\nloss = 2\n[node.slow]", "link.slow.loss = 2", "0 to 1"
    ),
    of_pattern(
        "more than all is doubled",
        "[node.slow]",
        "[link.slow]\nduplicate = 1.5\n[node.slow]",
        "link.slow.duplicate = 1.5",
        "0 to 1",
    ),
    of_pattern(
        "nothing to overtake",
        "[node.slow]",
        "[link.slow]\nreorder = 0.1\n[node.slow]",
        "link.slow.reorder = 0.1",
        "give a delay or a jitter",
    ),
    of_pattern(
        "a fault with nothing to overtake",
        "[fault.slowdown]",
        '[fault.bad]\nkind = "impair"\nlink = "slow"\nat = "1s"\nreorder = 0.1\n[fault.slowdown]',
        "fault.bad.reorder = 0.1",
        "give a delay or a jitter",
    ),
    Broken(
        "link of ipc",
        "[node.slow]",
        '[link.slow]\ndelay = "1ms"\n[node.slow]',
        ("link.slow", "slow has no tcp, pgm or epgm endpoint: nothing else passes a link"),
        PATTERN.replace("size =", 'transport = "ipc"\nsize ='),
    ),
    Broken(
        "break of a connection of pgm",
        "[fault.slowdown]",
        '[fault.out]\nkind = "reset"\nlink = "slow"\nat = "1s"\n[fault.slowdown]',
        ('fault.out.link = "slow"', "pgm has no connections that could break"),
        PATTERN.replace("size =", 'transport = "epgm"\nsize ='),
    ),
    Broken(
        "limit of the data over a connection of pgm",
        "[fault.slowdown]",
        '[fault.out]\nkind = "limit_data"\nlink = "slow"\nat = "1s"\nsize = "9kB"\n[fault.slowdown]',
        ('fault.out.link = "slow"', "pgm has no connections that could break"),
        PATTERN.replace("size =", 'transport = "epgm"\nsize ='),
    ),
    Broken(
        "multicast of what is not published",
        'transport = "tcp"',
        'transport = "epgm"',
        ('endpoint.data.transport = "epgm"', "is for PUB, SUB, XPUB, XSUB, and not for PUSH and PULL"),
        OWN,
    ),
    of_pattern("pgm's options over tcp", HWM, 'rate = "1Mbit/s"', "node.slow.options.rate", "has no such endpoint"),
    of_pattern("multicast_loop", HWM, "multicast_loop = true", "node.slow.options.multicast_loop", "has no effect"),
    *(
        Broken(
            f"{option} = {value}",
            HWM,
            f"{option} = {value}",
            (f"node.slow.options.{option} = {value}", right),
            PATTERN.replace("size =", 'transport = "epgm"\nsize ='),
        )
        for option, value, right in (
            ("rate", '"1kbit"', "unit of a bandwidth"),
            ("rate", '"1500bit/s"', "whole kbit/s"),
            ("rate", '"3Gbit/s"', "2Gbit/s"),
            ("recovery_ivl", '"forever"', "must have an end"),
            ("recovery_ivl", "200", "text with its unit"),
            ("multicast_hops", "0", "from 1 to 255"),
            ("multicast_maxtpdu", '"9000B"', '"1500B"'),
        )
    ),
    of_pattern(
        "fault of a link of nobody",
        "[fault.slowdown]",
        '[fault.out]\nkind = "blackhole"\nlink = "slo"\nat = "1s"\n[fault.slowdown]',
        'fault.out.link = "slo"',
        'did you mean "slow"?',
    ),
    of_pattern(
        "direction of a link",
        "[fault.slowdown]",
        '[fault.out]\nkind = "blackhole"\nlink = "slow"\nat = "1s"\ndirection = "left"\n[fault.slowdown]',
        'fault.out.direction = "left"',
        "both, up, down",
    ),
    of_pattern("expect", "[node.slow]", "[expect]", "expect = {service, options}", "not available yet"),
    of_pattern("sweep", "[node.slow]", "[sweep]", "sweep = {service, options}", "not available yet"),
    of_pattern(
        "kind of a remedy",
        "[variant.bigger]",
        '[variant.bigger.remedy.snail]\nkind = "suicidal_snale"\n[variant.bigger]',
        'variant.bigger.remedy.snail.kind = "suicidal_snale"',
        'did you mean "suicidal_snail"?',
    ),
    of_pattern(
        "a remedy without a kind",
        "[variant.bigger]",
        "[remedy.snail]\n[variant.bigger]",
        "remedy.snail.kind: is missing",
        'write kind = "',
    ),
    of_pattern(
        "option of a remedy",
        "[variant.bigger]",
        '[remedy.beat]\nkind = "heartbeat"\nintervall = "100ms"\n[variant.bigger]',
        'remedy.beat.intervall = "100ms"',
        'did you mean "interval"?',
    ),
    of_pattern(
        "a remedy that does not fit",
        "[variant.bigger]",
        '[variant.bigger.remedy.pirate]\nkind = "lazy_pirate"\n[variant.bigger]',
        'variant.bigger.remedy.pirate.kind = "lazy_pirate"',
        "it is for nodes that send requests with a REQ",
    ),
    of_pattern(
        "a remedy for nobody",
        "[variant.bigger]",
        '[remedy.one]\nkind = "conflate"\nnodes = ["slwo"]\n[variant.bigger]',
        "remedy.one.nodes =",
        'did you mean "slow"?',
    ),
    of_pattern(
        "a remedy for the wrong one",
        "[variant.bigger]",
        '[remedy.one]\nkind = "nodrop"\nnodes = ["slow"]\n[variant.bigger]',
        "remedy.one.nodes =",
        '"slow" is none of those that this remedy is for: nodes that publish',
    ),
    of_pattern(
        "a part of a millisecond",
        "[variant.bigger]",
        '[remedy.beat]\nkind = "heartbeat"\ntimeout = "1500us"\n[variant.bigger]',
        'remedy.beat.timeout = "1500us"',
        "whole milliseconds",
    ),
    of_pattern(
        "key for all variants", "node.pub", "seeds = 3\nnode.pub", "variant.bigger.seeds = 3", "at the top of the file"
    ),
    of_pattern("unknown key in a variant", "node.pub", "nod.pub", "variant.bigger.nod = {pub}", 'did you mean "node"?'),
    # missing
    of_pattern("no duration", 'duration = "5s"', "", "duration: is missing", 'write duration = "1.5s"'),
    of_pattern("no rate", RATE, "", "pattern.rate: is missing", 'write rate = "2k/s"'),
    of_pattern("no kind", 'kind = "pubsub"', "", "pattern.kind: is missing", "proxy, pubsub, reqrep"),
    of_pattern("no factor", "factor = 4", "", "fault.slowdown.factor: is missing", "write factor = 2.5"),
    of_pattern("no kind of fault", 'kind = "slow"', "", "fault.slowdown.kind: is missing", 'write kind = "blackhole"'),
    # kinds and words
    of_pattern("unknown pattern", '"pubsub"', '"pubsubb"', 'pattern.kind = "pubsubb"', 'did you mean "pubsub"?'),
    of_pattern("pattern outside", '"pubsub"', '"../config"', 'pattern.kind = "../config"', "proxy, pubsub, reqrep"),
    of_pattern("kind is a number", '"pubsub"', "1", "pattern.kind = 1", "proxy, pubsub, reqrep"),
    of_pattern("unknown fault", 'kind = "slow"', 'kind = "slo"', 'fault.slowdown.kind = "slo"', 'did you mean "slow"?'),
    of_pattern(
        "unknown transport",
        SIZE,
        'transport = "tpc"',
        'pattern.transport = "tpc"',
        'did you mean "tcp"?',
        "ipc, tcp, pgm, epgm",
    ),
    of_pattern(
        "unknown claim", '["queueing"]', '["hwm_sendr"]', 'exercises = "hwm_sendr"', 'did you mean "hwm_sender"?'
    ),
    of_pattern("claims are no list", '["queueing"]', '"queueing"', 'exercises = "queueing"', "must be a list of texts"),
    of_pattern(
        "unknown network",
        "[pattern]",
        '[live]\nnetwork = "namespace"\n[pattern]',
        'live.network = "namespace"',
        'did you mean "namespaces"?',
    ),
    of_pattern("live is no table", 'title = "T"', 'title = "T"\nlive = "proxy"', 'live = "proxy"', "must be a table"),
    of_pattern("claim twice", '["queueing"]', '["queueing", "queueing"]', "exercises = [", "once is right"),
    # units
    of_pattern("no unit", '"5s"', '"5"', 'duration = "5"', "has no unit", '"1.5s"'),
    of_pattern("number for a duration", '"5s"', "5", "duration = 5", "text with its unit", '"1.5s"'),
    of_pattern("wrong unit", '"5s"', '"5 seconds"', 'duration = "5 seconds"', "'seconds'", "ns, us, ms, s, min, h"),
    of_pattern("unit of a size for a duration", '"5s"', '"5kB"', 'duration = "5kB"', "no unit of a duration"),
    of_pattern("unit in the wrong case", '"512B"', '"512b"', 'pattern.size = "512b"', "did you mean 'B'?"),
    of_pattern("rate without per second", '"2k/s"', '"2k"', 'pattern.rate = "2k"', '"2k/s"'),
    of_pattern("number for a rate", '"2k/s"', "2000", "pattern.rate = 2000", "a rate is a text with its unit"),
    of_pattern("true for a duration", '"5s"', "true", "duration = true", "text with its unit"),
    of_pattern("date for a duration", '"5s"', "1979-05-27", "duration = 1979-05-27", "text with its unit"),
    of_pattern("part of a nanosecond", '"1ms"', '"0.1ns"', 'node.slow.service.constant = "0.1ns"', "finer than 1ns"),
    of_pattern("part of a byte", '"512B"', '"512.5B"', 'pattern.size = "512.5B"', "whole number of bytes"),
    # ranges
    of_pattern("negative duration", '"5s"', '"-5s"', 'duration = "-5s"', "negative", "0 or more"),
    of_pattern("no time at all", '"5s"', '"0s"', 'duration = "0s"', "write 1ms to 1h"),
    of_pattern("absurd duration", '"5s"', '"10000h"', 'duration = "10000h"', "write 1ms to 1h"),
    of_pattern("warmup too long", '"1s"', '"5s"', 'warmup = "5s"', "less than the duration, 5s"),
    of_pattern("wall limit too short", "warmup", "wall_limit", 'wall_limit = "1s"', "more than the duration, 5s"),
    of_pattern("rate of nothing", '"2k/s"', '"0/s"', 'pattern.rate = "0/s"', "more than 0, to 10M/s"),
    of_pattern("absurd rate", '"2k/s"', '"999M/s"', 'pattern.rate = "999M/s"', "write 0/s to 10M/s"),
    of_pattern("too small for the stamp", '"512B"', '"31B"', 'pattern.size = "31B"', "write 32B to 64MiB"),
    of_pattern("absurd size", '"512B"', '"100GiB"', 'pattern.size = "100GiB"', "write 32B to 64MiB"),
    of_pattern(
        "too many messages", '"2k/s"', '"9M/s"', 'duration = "5s"', "90,000,000 deliveries", "20,000,000", "lower rate"
    ),
    of_pattern("no seeds", "title", 'seeds = 0\n"title"', "seeds = 0", "from 1 to 1000"),
    of_pattern("absurd seeds", "title", 'seeds = 100000000\n"title"', "seeds = 100000000", "from 1 to 1000"),
    of_pattern("half a seed", "title", 'seed = 1.5\n"title"', "seed = 1.5", "whole number"),
    of_pattern("true for a number", "title", 'replications = true\n"title"', "replications = true", "whole number"),
    of_pattern(
        "enormous number", "title", f'seed = 0x{"f" * 4000}\n"title"', "seed = an integer of 16000 bits", "0 to"
    ),
    of_pattern(
        "factor nan", "factor = 4", "factor = nan", "fault.slowdown.factor = nan", "not finite", "0.001 to 1000000"
    ),
    of_pattern("factor inf", "factor = 4", "factor = inf", "fault.slowdown.factor = inf", "not finite"),
    of_pattern("factor 0", "factor = 4", "factor = 0", "fault.slowdown.factor = 0", "0.001 to 1000000"),
    of_pattern(
        "factor text", "factor = 4", 'factor = "4x"', 'fault.slowdown.factor = "4x"', "write a number from 0.001"
    ),
    of_pattern("title is a number", '"T"', "5", "title = 5", "must be a text"),
    of_pattern("empty title", '"T"', '""', 'title = ""', "must be a text of 1 to 4096"),
    # groups and nodes
    of_pattern("no subscribers", SUBS, "subscribers = {}", "pattern.subscribers = {}", "{ fast = 1, slow = 2 }"),
    of_pattern("subscribers a number", SUBS, "subscribers = 2", "pattern.subscribers = 2", "{ fast = 1, slow = 2 }"),
    of_pattern("minus one of them", "fast = 1", "fast = -1", "pattern.subscribers.fast = -1", "from 1 to 1000"),
    of_pattern("a million of them", "fast = 1", "fast = 1000000", "pattern.subscribers.fast = 1000000", "1 to 1000"),
    of_pattern("too many in all", "fast = 1", "fast = 1000", "node = 1002", "at most 1000"),
    of_pattern("name with a blank", "fast = 1", '"f st" = 1', "pattern.subscribers.f st = 1", "letters, digits and -"),
    of_pattern("name taken", "fast = 1", "pub = 1", "node.pub: is the name of two nodes", "name one of the groups"),
    of_pattern(
        "unknown node", "[node.slow]", "[node.slwo]", "node.slwo = {", 'did you mean "slow"?', "pub, fast, slow"
    ),
    of_pattern("node is no table", "[node.slow]", "[node]\nfast = 1\n[node.slow]", "node.fast = 1", "must be a table"),
    of_pattern("unknown node of a fault", 'node = "slow"', 'node = "slwo"', 'fault.slowdown.node = "slwo"', '"slow"?'),
    of_pattern("fault too late", 'at = "1s"', 'at = "6s"', 'fault.slowdown.at = "6s"', "less than the duration, 5s"),
    of_pattern(
        "faults overlap",
        "[variant.bigger]",
        '[fault.b]\nkind = "slow"\nnode = "slow"\nat = "1500ms"\nfactor = 2\n[variant.bigger]',
        'fault.b.at = "1500ms"',
        'overlaps with fault "slowdown"',
        "let one end before the other begins",
    ),
    of_pattern(
        "start too late", "service", 'start = "5s"\nservice', 'node.slow.start = "5s"', "less than the duration"
    ),
    # service and arrivals
    of_pattern("service a number", SERVICE, "1", "node.slow.service = 1", '{ constant = "1ms" }'),
    of_pattern("service of two kinds", SERVICE, '{ constant = "1ms", exponential = "1ms" }', "exactly one kind"),
    of_pattern("service of no kind", SERVICE, "{}", "node.slow.service = {}", "exactly one kind"),
    of_pattern(
        "unknown service", SERVICE, '{ constnt = "1ms" }', "node.slow.service.constnt", 'did you mean "constant"?'
    ),
    of_pattern("lognormal without sigma", SERVICE, '{ lognormal = { mean = "1ms" } }', "lognormal.sigma: is missing"),
    of_pattern("lognormal is no table", SERVICE, '{ lognormal = "1ms" }', "service.lognormal = ", "sigma = 0.5"),
    of_pattern("burst without effect", SIZE, "burst = 5", "pattern.burst = 5", 'write arrivals = "burst"'),
    # socket options
    of_pattern("negative HWM", HWM, "rcvhwm = -1", "node.slow.options.rcvhwm = -1", "from 0 (no limit) to 2147483647"),
    of_pattern("absurd HWM", HWM, "rcvhwm = 3000000000", "rcvhwm = 3000000000", "to 2147483647"),
    of_pattern("HWM with a unit", HWM, 'rcvhwm = "100B"', 'rcvhwm = "100B"', "whole number of messages"),
    of_pattern("HWM true", HWM, "rcvhwm = true", "rcvhwm = true", "whole number of messages"),
    of_pattern("buffer without a unit", HWM, "rcvbuf = 8192", "rcvbuf = 8192", "text with its unit", '"8KiB"'),
    of_pattern("buffer of nothing", HWM, 'rcvbuf = "0B"', 'rcvbuf = "0B"', '"1B"'),
    of_pattern("timeout without a unit", HWM, "rcvtimeo = 100", "rcvtimeo = 100", "text with its unit", '"forever"'),
    of_pattern("part of a millisecond", HWM, 'linger = "100us"', 'linger = "100us"', "whole milliseconds"),
    of_pattern("unknown option", HWM, "rcvhmw = 1", "node.slow.options.rcvhmw = 1", 'did you mean "rcvhwm"?'),
    of_pattern("option in capitals", HWM, "RCVHWM = 1", "node.slow.options.RCVHWM = 1", 'did you mean "rcvhwm"?'),
    of_pattern("option not simulated", HWM, "use_fd = 1", "options.use_fd = 1", "not simulated yet", "rcvhwm"),
    of_pattern("option of another type", HWM, "router_mandatory = true", "option of ROUTER", "slow has SUB"),
    of_pattern("options are no table", "{ rcvhwm = 100 }", "100", "node.slow.options = 100", "{ rcvhwm = 100"),
    of_pattern("wrong in a variant", "10000", "-1", "variant.bigger.node.pub.options.sndhwm = -1", "from 0"),
    of_pattern(
        "variant is no table", "[variant.bigger]", "[variant]\nx = 1\n[variant.bigger]", "variant.x = 1", "table"
    ),
    of_pattern("variant with a slash", "[variant.bigger]", '[variant."a/b"]', "variant.a/b = ", "letters, digits"),
    of_pattern("fault is no table", "[fault.slowdown]", "[fault]\nx = 1\n[fault.slowdown]", "fault.x = 1", "table"),
    of_pattern("pattern is no table", PATTERN, 'duration = "5s"\npattern = "pubsub"', 'pattern = "pubsub"', "table"),
    # a topology of one's own
    of_pattern("nothing to study", PATTERN, 'duration = "5s"', "pattern: is missing", 'kind = "pubsub"', "[node.NAME]"),
    of_pattern("pattern and endpoints", PATTERN, PATTERN + "[endpoint.x]", "endpoint = {x}", "leave out [pattern]"),
    of_own(
        "no endpoint", OWN[OWN.index("[endpoint") : OWN.index("[flow")], "", "endpoint: is missing", "[endpoint.name]"
    ),
    of_own("no flow", OWN[OWN.index("[flow") :], "", "flow: is missing", "[flow.name]"),
    of_own("no program", 'program = "mine.py:sink"', "", "node.b.program: is missing", '"mine.py:function"'),
    of_own("program without function", "mine.py:sink", "mine.py", 'node.b.program = "mine.py"', '"mine.py:function"'),
    of_own("no such program", "mine.py:sink", "nine.py:sink", 'program = "nine.py:sink"', "no file nine.py"),
    of_own("no such function", "mine.py:sink", "mine.py:snk", 'program = "mine.py:snk"', 'did you mean "sink"?'),
    of_own("no such module", "mine.py:sink", "nowhere.at.all:sink", "nowhere.at.all:sink", "no module nowhere"),
    of_own("no program of the harness", "mine.py:sink", "harness.units:KIB", "harness.units:KIB", "is no program"),
    of_own("one argument", "mine.py:sink", "mine.py:lonely", "mine.py:lonely", "def lonely(node, options)"),
    of_own("asynchronous", "mine.py:sink", "mine.py:later", "mine.py:later", "def later(node, options)"),
    of_own("not Python", "mine.py:sink", "not-python.py:sink", "not-python.py:sink", "line 1", "is not Python"),
    of_own("unknown option of a program", "arrivals =", "arivals =", "node.a.arivals = ", 'did you mean "arrivals"?'),
    of_own(
        "no field for options", "arrivals =", "options = { sndhwm = 1 }\narrivals =", "node.a.options", "add socket"
    ),
    of_own("arrivals of no kind", '{ constant = "10/s" }', '{ phase = "1s" }', "node.a.arrivals", "exactly one kind"),
    of_own("a date for a program", 'program = "mine.py:sink"', 'program = "mine.py:sink"\nx = 1979-05-27', "node.b.x"),
    of_own(
        "bad node name",
        "[node.b]",
        '[node."b b"]\nprogram = "mine.py:sink"\n[node.b]',
        "node.b b = ",
        "letters, digits and -",
    ),
    of_own("unknown binder", 'binder = "a"', 'binder = "c"', 'endpoint.data.binder = "c"', 'no node "c"', "a, b"),
    of_own("unknown connecter", 'connecters = ["b"]', 'connecters = ["c"]', 'connecters = ["c"]', 'no node "c"'),
    of_own(
        "no connecter",
        'connecters = ["b"]',
        "connecters = []",
        "endpoint.data.connecters = []",
        'connecters = ["name"]',
    ),
    of_own("cyclic endpoint", 'connecters = ["b"]', 'connecters = ["a", "b"]', "connecters", "that is a cycle"),
    of_own("cyclic flow", 'receivers = ["b"]', 'receivers = ["a", "b"]', "flow.data.receivers", "that is a cycle"),
    of_own("missing endpoint", 'endpoint = "data"', 'endpoint = "dta"', 'flow.data.endpoint = "dta"', '"data"?'),
    of_own("wrong socket pair", '"PULL"', '"SUB"', 'connecter_type = "SUB"', "PUSH speaks with PULL"),
    of_own("two of one kind", '"PULL"', '"PUSH"', 'connecter_type = "PUSH"', "PUSH speaks with PULL"),
    of_own("unknown socket type", '"PUSH"', '"PUSCH"', 'binder_type = "PUSCH"', 'did you mean "PUSH"?'),
    of_own("socket type in small letters", '"PUSH"', '"push"', 'binder_type = "push"', 'did you mean "PUSH"?'),
    of_own("socket type of later", '"PUSH"', '"SCATTER"', 'binder_type = "SCATTER"', "not simulated yet"),
    of_own("unknown delivery", '"one"', '"some"', 'flow.data.delivery = "some"', "all, one, addressed"),
    of_own(
        "sender that cannot send",
        'senders = ["a"]\nreceivers = ["b"]',
        'senders = ["b"]\nreceivers = ["a"]',
        "PULL",
        "cannot send",
    ),
    of_own("binder is a group", "[node.a]", "[node.a]\ncount = 2", 'binder = "a"', "group of 2 nodes", "such as a-1"),
    of_own("absurd count", "[node.a]", "[node.a]\ncount = 5000", "node.a.count = 5000", "1 to 1000"),
    of_own("transport of later", '"tcp"', '"udp"', 'endpoint.data.transport = "udp"', "inproc, ipc, tcp, pgm, epgm"),
    of_own("connecters a text", 'connecters = ["b"]', 'connecters = "b"', 'connecters = "b"', "must be a list"),
    of_own(
        "unknown key of an endpoint", "transport", "transprt", "endpoint.data.transprt", 'did you mean "transport"?'
    ),
    of_own("unknown key of a flow", "delivery", "delivry", "flow.data.delivry", 'did you mean "delivery"?'),
]

FILES: dict[str, tuple[bytes, tuple[str, ...]]] = {
    "empty": (b"", ("is empty", "[pattern]")),
    "blank": (b" \n\t\n", ("is empty", "[pattern]")),
    "only a comment": (b"# nothing\n", ("duration: is missing", "pattern: is missing")),
    "not TOML": (b"duration: 5s\n", ("is not TOML", "line 1", "key = value")),
    "prose": (b"Dear harness, please run\nmy experiment.\n", ("is not TOML", "line 1")),
    "key twice": (b'duration = "1s"\nduration = "2s"\n', ("is not TOML", "line 2")),
    "string without end": (b'duration = "5s\n', ("is not TOML", "line 1")),
    "binary": (bytes(range(256)), ("is a binary file", "TOML")),
    "an image": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", ("is a binary file",)),
    "not UTF-8": ('title = "Grüße"\n'.encode("latin-1"), ("line 1 is not UTF-8", "save the file as UTF-8")),
    "UTF-16": ('title = "x"\n'.encode("utf-16"), ("is a binary file",)),
    "huge": (b"# " + b"x" * 2**20, ("larger than 1MiB",)),
    "absurd nesting of lists": (b"x = " + b"[" * 5000 + b"]" * 5000, ("deep",)),
    "absurd nesting of tables": (b"x = " + b"{a=" * 5000 + b"1" + b"}" * 5000, ("deep",)),
    "absurdly dotted": (b"a" + b".a" * 400_000 + b" = 1", ("absurd depth", "node.slow.options.rcvhwm")),
    "rather deep": (b"x = " + b"[" * 30 + b"]" * 30, ("more than 24 deep",)),
    "number of many digits": (b"seed = " + b"9" * 10_000, ("is not TOML",)),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(PROGRAMS)
    (tmp_path / "not-python.py").write_text("this is no Python\n")
    return tmp_path


def complaint(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        config.load(path)
    return str(caught.value)


def test_the_files_that_get_broken_are_right(folder: Path) -> None:
    for number, text in enumerate((PATTERN, OWN, TOPICS.replace("SUBSCRIBERS", '{ all = [""] }'))):
        path = folder / f"right-{number}.toml"
        path.write_text(text)
        assert config.load(path)


def test_there_are_enough_of_them() -> None:
    names = [case.name for case in BROKEN] + list(FILES)
    assert len(names) == len(dict.fromkeys(names))
    assert len(names) >= 100


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.name.replace(" ", "-"))
def test_a_broken_file(case: Broken, folder: Path) -> None:
    path = folder / "broken.toml"
    path.write_text(case.text())
    message = complaint(path)
    assert len(message.splitlines()) == 1, "one thing is wrong, one thing is said"
    for word in (str(path), *case.words):
        assert word in message


@pytest.mark.parametrize("name", FILES, ids=lambda name: name.replace(" ", "-"))
def test_a_file_that_is_no_experiment(name: str, folder: Path) -> None:
    content, words = FILES[name]
    path = folder / "broken.toml"
    path.write_bytes(content)
    message = complaint(path)
    assert len(message) < 1000
    for word in (str(path), *words):
        assert word in message


def test_no_file(folder: Path) -> None:
    assert "there is no such file" in complaint(folder / "nowhere.toml")
    assert "there is no such file" in complaint(folder / "mine.py" / "inside.toml")
    assert "is a folder" in complaint(folder)
    assert "cannot be read" in complaint(folder / ("x" * 5000))
    assert complaint(Path("\0.toml"))


def test_a_pipe_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "pipe.toml")
    assert "not a regular file" in complaint(folder / "pipe.toml")
    assert "not a regular file" in complaint(Path("/dev/zero"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(folder: Path) -> None:
    path = folder / "closed.toml"
    path.write_text(PATTERN)
    path.chmod(0)
    assert "cannot be read: Permission denied" in complaint(path)


def test_a_link_to_itself(folder: Path) -> None:
    path = folder / "loop.toml"
    path.symlink_to(path)
    assert str(path) in complaint(path)


def test_a_name_that_cannot_name_results(folder: Path) -> None:
    path = folder / "-- a name.toml"
    path.write_text(PATTERN)
    assert "letters, digits, . - and _" in complaint(path)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("", ["is no override", "node.pub.options.sndhwm=10"]),
        ("duration", ["is no override", "a dotted key, = and a value"]),
        ("=5", ["is no override"]),
        ("a..b=5", ["a..b", "is no override"]),
        ("." * 3000 + "=1", ["is no override"]),
        ("duration=5", ["duration = 5", "text with its unit"]),
        ("duration=", ['duration = ""', "is no duration"]),
        ("duration=" + "[" * 50_000, ["duration", "is no duration"]),
        ("duration=1s\nseeds=0", ["duration", "is no duration"]),
        ("pattern=pubsub", ['pattern = "pubsub"', "must be a table"]),
        ("node.slow.options.rcvhwm=-1", ["node.slow.options.rcvhwm = -1", "from 0"]),
        ("variant.x.node.nobody.start=1s", ["variant.x.node.nobody = {start}", "pub, fast, slow"]),
    ],
)
def test_a_broken_override(override: str, words: list[str], folder: Path) -> None:
    path = folder / "right.toml"
    path.write_text(PATTERN)
    with pytest.raises(ConfigError) as caught:
        config.load(path, [override])
    for word in words:
        assert word in str(caught.value)


VALUES = st.recursive(
    st.sampled_from(
        ['"5s"', '"1k/s"', '"512B"', '"pubsub"', '"slow"', "nan", "-inf", "true", "-1", "1e400", '""', '"\\u0000"']
    )
    | st.sampled_from(["07:32:00", "1979-05-27T07:32:00Z", str(2**70), "[]", "{}"]),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.lists(inner, max_size=3).map(
            lambda items: "{" + ", ".join(f"{key} = {item}" for key, item in zip("abc", items, strict=False)) + "}"
        )
    ),
    max_leaves=4,
)
KEYS = st.sampled_from(
    [
        *("title", "duration", "warmup", "drain", "seed", "exercises", "pattern", "node", "fault", "variant"),
        *("endpoint", "flow", "pattern.kind", "pattern.rate", "pattern.subscribers", "pattern.arrivals", "node.slow"),
        *("node.slow.service", "node.slow.service.lognormal", "node.slow.options", "node.slow.options.linger"),
        *("node.slow.start", "node.pub.arrivals", "fault.slowdown", "fault.slowdown.node", "fault.slowdown.at"),
        *(
            "fault.other.kind",
            "variant.bigger",
            "variant.bigger.pattern",
            "variant.plain.duration",
            "link.x",
            "live.network",
        ),
        *("live", "zzz"),
    ]
)


@given(st.lists(st.tuples(KEYS, VALUES), min_size=1, max_size=4))
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_value_anywhere_is_right_or_said_to_be_wrong(folder: Path, changes: list[tuple[str, str]]) -> None:
    path = folder / "any.toml"
    path.write_text(PATTERN)
    problems: tuple[Problem, ...] = ()
    try:
        config.load(path, [f"{key}={value}" for key, value in changes])
    except ConfigError as error:
        problems = error.problems
        assert len(str(error).splitlines()) == len(problems) > 0  # noqa: PT017 - either outcome is right
    assert all(problem.message for problem in problems)


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_said_to_be_wrong(folder: Path, content: bytes) -> None:
    path = folder / "any.toml"
    path.write_bytes(content)
    assert str(path) in complaint(path)


def check(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness", "check", str(path)], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "name",
    [
        "unknown key",
        "wrong unit",
        "negative HWM",
        "unknown node",
        "cyclic endpoint",
        "missing endpoint",
        "wrong socket pair",
        "absurd size",
        "enormous number",
        "not Python",
    ],
)
def test_the_command_says_it_and_ends_with_2(name: str, folder: Path) -> None:
    case = next(case for case in BROKEN if case.name == name)
    path = folder / "broken.toml"
    path.write_text(case.text())
    done = check(path)
    said = done.stdout + done.stderr
    assert done.returncode == 2, said
    assert "Traceback" not in said
    # A terminal's width may break the lines; the words stay in order.
    assert all("".join(word.split()) in "".join(said.split()) for word in case.words)


@pytest.mark.parametrize("name", ["empty", "not TOML", "binary", "not UTF-8", "huge", "absurd nesting of lists"])
def test_the_command_takes_any_file(name: str, folder: Path) -> None:
    path = folder / "broken.toml"
    path.write_bytes(FILES[name][0])
    done = check(path)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_the_command_takes_what_is_no_file(folder: Path) -> None:
    for path in (folder, folder / "nowhere.toml"):
        done = check(path)
        assert done.returncode == 2, done.stderr
        assert "Traceback" not in done.stdout + done.stderr
