"""pyzmq's front end twice in one process: the real one and a copy that runs on the twin."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import zmq as real

from harness.twin import NotInSimulationError, NotSimulatedYet, Twin, run_file
from harness.twin.front_end import front_end

ROOT = Path(__file__).resolve().parents[2]


def simulated(function: Any) -> Any:
    """What ``function(zmq)`` gives inside a simulated process."""
    twin = Twin()
    result: list[Any] = []
    twin.spawn(lambda: result.append(function(twin.zmq)))
    twin.run(until_ns=10_000_000_000)
    return result[0]


def test_the_copy_is_the_same_source_and_other_classes() -> None:
    copy = Twin().zmq
    assert copy is not real
    assert copy.__file__ == real.__file__
    assert copy.sugar.socket.__file__ == real.sugar.socket.__file__
    for name in ("Context", "Socket", "Poller", "Frame", "ZMQError", "Again", "ContextTerminated"):
        assert getattr(copy, name) is not getattr(real, name), name
    assert not issubclass(copy.Again, real.ZMQError)
    assert copy.PUSH == real.PUSH


def test_there_is_one_copy_for_all_worlds() -> None:
    assert Twin().zmq is Twin().zmq is front_end().load("zmq")


def test_the_real_one_is_untouched() -> None:
    """In a fresh process, as other tests of this one have long loaded both."""
    code = """
        import sys, os
        from harness.twin import Twin
        from harness.twin.front_end import front_end
        before = {name for name in sys.modules if name == "zmq" or name.startswith("zmq.")}
        twin = Twin()
        twin.zmq
        front_end().load("zmq.utils.jsonapi")
        after = {name for name in sys.modules if name == "zmq" or name.startswith("zmq.")}
        assert before == after == set(), after - before
        assert "PYZMQ_BACKEND" not in os.environ
        import zmq
        assert not zmq.backend.Socket.__module__.startswith("harness.")
        assert twin.zmq.backend.Socket.__module__ == "harness.twin.socket_face"
        push, pull = (zmq.Context.instance().socket(kind) for kind in (zmq.PUSH, zmq.PULL))
        pull.bind("inproc://a")
        push.connect("inproc://a")
        push.send(b"x")
        assert pull.recv() == b"x"
        push.close()
        pull.close()
        zmq.Context.instance().term()
    """
    run_python(code)


def run_python(code: str, **environment: str) -> str:
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_late_import_inside_the_front_end_finds_its_own_kind() -> None:
    """pyzmq looks up what an unknown attribute could be with ``from zmq import ...`` at that moment."""

    def unknown(zmq: Any) -> list[str]:
        socket = zmq.Context().socket(zmq.PULL)
        told = []
        with pytest.raises(AttributeError) as caught:
            socket.no_such_option  # noqa: B018
        told.append(str(caught.value))
        with pytest.raises(AttributeError) as caught:
            socket.no_such_option = 1
        told.append(str(caught.value))
        return told

    assert all("NO_SUCH_OPTION" in text.upper() for text in simulated(unknown))


def test_errors_are_the_copys_own() -> None:
    def errors(zmq: Any) -> list[bool]:
        socket = zmq.Context().socket(zmq.PULL)
        caught = []
        for call in (lambda: socket.recv(zmq.DONTWAIT), lambda: socket.send(b""), lambda: socket.bind("tcp://x")):
            try:
                call()
            except zmq.ZMQError as error:
                caught.append(error)
        assert isinstance(caught[0], zmq.Again)
        return [isinstance(error, real.ZMQError) for error in caught]

    assert simulated(errors) == [False, False, False]


def test_constants_and_versions_are_pyzmqs() -> None:
    def facts(zmq: Any) -> list[Any]:
        return [
            zmq.pyzmq_version(),
            zmq.zmq_version(),
            int(zmq.SNDHWM),
            zmq.has("ipc"),
            zmq.has("curve"),
            zmq.strerror(11),
        ]

    assert simulated(facts) == [real.pyzmq_version(), "4.3.5", int(real.SNDHWM), True, True, os.strerror(11)]


def test_both_can_be_used_in_one_program() -> None:
    def mixed(zmq: Any) -> list[bytes]:
        received = []
        for library in (zmq, real):
            context = library.Context()
            pull, push = context.socket(library.PULL), context.socket(library.PUSH)
            pull.bind("inproc://same")
            push.connect("inproc://same")
            push.send(library.__name__.encode())
            received.append(pull.recv())
            push.close()
            pull.close()
            context.term()
        return received

    assert simulated(mixed) == [b"zmq", b"zmq"]


def test_pyzmq_itself_can_be_started_on_the_twin() -> None:
    """PYZMQ_BACKEND is pyzmq's own switch."""
    code = """
        import zmq
        from harness.twin import Twin
        twin = Twin()
        def program():
            context = zmq.Context()
            push, pull = context.socket(zmq.PUSH), context.socket(zmq.PULL)
            pull.bind("tcp://127.0.0.1:5555")
            push.connect("tcp://127.0.0.1:5555")
            push.send_string("hello")
            print(pull.recv_string(), zmq.zmq_version(), twin.now_ns > 0)
            try:
                pull.recv(zmq.DONTWAIT)
            except zmq.Again as error:
                print(type(error).__name__)
        twin.spawn(program)
        twin.run()
    """
    assert run_python(code, PYZMQ_BACKEND="harness.twin.backend") == "hello 4.3.5 True\nAgain\n"


def test_outside_a_simulated_process_a_context_says_so() -> None:
    zmq = Twin().zmq
    with pytest.raises(NotInSimulationError, match="simulated processes only"):
        zmq.Context()
    with pytest.raises(NotInSimulationError, match="simulated processes only"):
        zmq.Context.instance()


def test_the_global_context_is_that_of_the_simulated_process() -> None:
    """Two programs that ask for it share nothing; neither do two worlds, one after the other."""
    seen: list[Any] = []
    for _ in range(2):
        twin = Twin()

        def program(twin: Twin = twin) -> None:
            context = twin.zmq.Context.instance()
            assert twin.zmq.Context.instance() is context
            seen.append(context)
            first = context.socket(twin.zmq.PAIR)
            first.bind("inproc://mine")
            twin.sleep_ns(1000)
            assert twin.zmq.Context.instance() is context
            first.close()
            context.term()
            assert twin.zmq.Context.instance() is not context

        twin.spawn(program)
        twin.spawn(program)
        twin.run()
    assert len({id(context) for context in seen}) == 4
    assert real.Context.instance() is real.Context.instance()


def test_a_socket_taken_out_of_the_simulation_says_so() -> None:
    twin = Twin()
    taken: list[Any] = []

    def program() -> None:
        context = twin.zmq.Context()
        taken.extend([context.socket(twin.zmq.PULL), twin.zmq.Poller()])
        taken[1].register(taken[0])

    twin.spawn(program)
    twin.run()
    with pytest.raises(NotInSimulationError, match="inside a simulated process"):
        taken[0].recv()
    with pytest.raises(NotInSimulationError, match="simulated processes only"):
        taken[1].poll(10)


def test_sockets_are_closed_by_leaving_a_with_block() -> None:
    def program(zmq: Any) -> tuple[bool, bool]:
        with zmq.Context() as context, context.socket(zmq.PULL) as socket:
            socket.bind("inproc://x")
        return socket.closed, context.closed

    assert simulated(program) == (True, True)


def test_what_a_program_leaves_behind_is_closed_without_a_word(capfd: pytest.CaptureFixture[str]) -> None:
    """Contexts and sockets that go out of sight, in a process and outside all of them."""

    def forgetful(zmq: Any) -> Any:
        context = zmq.Context()
        context.socket(zmq.PUSH).connect("tcp://127.0.0.1:5555")
        return context

    kept = simulated(forgetful)
    del kept
    assert capfd.readouterr().err == ""


def test_a_file_runs_unchanged_and_its_errors_come_out(tmp_path: Path) -> None:
    good = tmp_path / "good.py"
    good.write_text(
        "import zmq, zmq.error\nfrom zmq.utils import jsonapi\nimport json\n"
        "if __name__ == '__main__':\n"
        "    with zmq.Context() as c, c.socket(zmq.REP) as rep, c.socket(zmq.REQ) as req:\n"
        "        rep.bind('inproc://r'); req.connect('inproc://r')\n"
        "        req.send_json({'a': 1}); assert rep.recv_json() == {'a': 1}\n"
        "        assert zmq.error.Again is zmq.Again\n"
        f"        open({str(tmp_path / 'out')!r}, 'w').write('done')\n"
    )
    run_file(good)
    assert (tmp_path / "out").read_text() == "done"
    bad = tmp_path / "bad.py"
    bad.write_text("import zmq\nraise LookupError('of the file')\n")
    with pytest.raises(LookupError, match="of the file"):
        run_file(bad)


@pytest.mark.parametrize("line", ["import zmq.nonsense", "from zmq import nonsense", "from zmq.nonsense import x"])
def test_what_pyzmq_has_not_cannot_be_imported(tmp_path: Path, line: str) -> None:
    path = tmp_path / "program.py"
    path.write_text(line)
    with pytest.raises(ImportError, match="nonsense"):
        run_file(path)


def test_an_event_loop_needs_a_program_of_its_own() -> None:
    with pytest.raises(NotSimulatedYet, match="asyncio in a function"):
        front_end().load("zmq.asyncio")
