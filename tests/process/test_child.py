"""Child processes: what goes in and out, and that every way of going wrong ends in one CodecError and no child."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from vcm_ref.errors import CodecError
from vcm_ref.process.child import OUTPUT_FD, ChildGroup, ChildLimits, _ended_with_us, run_child, stream_child

LIMITS = ChildLimits(time_s=20, output_bytes=1 << 26)
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="prlimit and /proc are Linux's")


def python(program: str) -> list[str]:
    return [sys.executable, "-S", "-E", "-c", "import os, sys, time\n" + program]


def wait_for(path: Path) -> int:
    """The process number that a child writes into ``path``."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if path.exists() and path.read_text().endswith("."):
            return int(path.read_text()[:-1])
        time.sleep(0.01)
    raise AssertionError(f"no child has written {path}")


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and only waits to be reaped by init does not."""
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] not in "ZX"


def assert_ends(pid: int) -> None:
    deadline = time.monotonic() + 60
    while is_alive(pid):
        assert time.monotonic() < deadline, f"process {pid} is still running"
        time.sleep(0.01)


def test_output_is_returned_while_input_is_written() -> None:
    # More than any pipe holds, both ways: a reader that waited for the writer, or the reverse, would hang.
    chunk = bytes(range(256)) * 4096
    copy = python("while c := sys.stdin.buffer.read(65536): sys.stdout.buffer.write(c)")
    assert run_child(copy, feed=(chunk for _ in range(8)), limits=LIMITS) == chunk * 8


def test_no_input_is_end_of_file() -> None:
    assert run_child(python("print(len(sys.stdin.buffer.read()))"), limits=LIMITS) == b"0\n"


def test_output_on_a_pipe_of_its_own() -> None:
    """What a library prints on standard output must not get into the stream."""
    program = "fd = int(sys.argv[1]); os.write(fd, b'stream'); print('warning!'); os.write(fd, b' end'); sys.exit({})"
    run = [*python(program.format(0)), OUTPUT_FD]
    assert run_child(run, limits=LIMITS) == b"stream end"
    with pytest.raises(CodecError, match="exit code 1: warning!"):
        run_child([*python(program.format(1)), OUTPUT_FD], limits=LIMITS)
    with pytest.raises(CodecError, match="more than the 9 bytes"):
        run_child(run, limits=ChildLimits(time_s=20, output_bytes=9))


def test_no_descriptor_is_left_open() -> None:
    before = len(os.listdir("/dev/fd"))
    for _ in range(3):
        run_child([*python("os.write(int(sys.argv[1]), b'x')"), OUTPUT_FD], limits=LIMITS)
        with pytest.raises(CodecError):
            run_child(["/nowhere/no_such_codec", OUTPUT_FD], limits=LIMITS)
        with pytest.raises(CodecError):
            run_child(python("time.sleep(9)"), limits=ChildLimits(time_s=0.1, output_bytes=1))
    assert len(os.listdir("/dev/fd")) == before


def test_missing_executable() -> None:
    with pytest.raises(CodecError, match=r"no_such_codec: cannot be run: No such file"):
        run_child(["/nowhere/no_such_codec"], limits=LIMITS)


def test_exit_code_and_last_words() -> None:
    with pytest.raises(CodecError, match=r"failed with exit code 3: bad stream; at \[dec\] byte 7$"):
        run_child(
            python(r"sys.exit(os.write(2, b'\x1bbad  stream\nat [dec @ 0x55a0] byte 7\r\n') and 3)"), limits=LIMITS
        )


def test_accepted_exit_code() -> None:
    assert run_child(python("print('version 1'); sys.exit(1)"), limits=LIMITS, accept=(0, 1)) == b"version 1\n"


def test_message_is_one_bounded_line() -> None:
    with pytest.raises(CodecError) as caught:
        run_child(python("[print(i, 'x' * 999, file=sys.stderr) for i in range(999)]; sys.exit(1)"), limits=LIMITS)
    assert len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)


def test_child_ended_by_a_signal() -> None:
    with pytest.raises(CodecError, match="was ended by SIGSEGV"):
        run_child(python("import signal; os.kill(os.getpid(), signal.SIGSEGV)"), limits=LIMITS)


def test_child_that_dies_while_being_fed() -> None:
    endless = (b"x" * 65536 for _ in iter(int, 1))
    with pytest.raises(CodecError, match="exit code 5: enough"):
        run_child(python("sys.stdin.buffer.read(100000); print('enough', file=sys.stderr); sys.exit(5)"), feed=endless,
                  limits=LIMITS)  # fmt: skip


def test_child_that_needs_only_part_of_its_input() -> None:
    head = python("sys.stdout.buffer.write(sys.stdin.buffer.read(3))")
    assert run_child(head, feed=[b"abcdef" * 1000000], limits=LIMITS) == b"abc"


@pytest.mark.parametrize(
    "program",
    ["time.sleep(60)", "os.close(1); os.close(2); time.sleep(60)", "while True: print(end='x', file=sys.stderr)"],
    ids=["never reads", "closes its outputs", "complains for ever"],
)
def test_hanging_child(program: str) -> None:
    with pytest.raises(CodecError, match=r"did not finish within 0\.5 s"):
        run_child(python(program), feed=[bytes(1 << 22)], limits=ChildLimits(time_s=0.5, output_bytes=100))


def test_child_that_writes_too_much() -> None:
    with pytest.raises(CodecError, match="returned more than the 1000 bytes"):
        run_child(python("while True: print('x' * 999)"), limits=ChildLimits(time_s=20, output_bytes=1000))
    exactly = ChildLimits(time_s=20, output_bytes=1000)
    assert len(run_child(python("print('x' * 999)"), limits=exactly)) == 1000


def test_error_of_the_feed_passes_through() -> None:
    def feed() -> Iterator[bytes]:
        yield b"first"
        raise ZeroDivisionError("in the feed")

    with pytest.raises(ZeroDivisionError, match="in the feed"):
        run_child(python("sys.stdin.buffer.read(); time.sleep(60)"), feed=feed(), limits=LIMITS)


@LINUX
def test_memory_limit() -> None:
    limits = ChildLimits(time_s=20, output_bytes=100, memory_bytes=1 << 30)
    # The limit arrives right after the start, so the child waits for its input before it takes memory.
    run_child(python("sys.stdin.read(); bytearray(1 << 28)"), limits=limits)
    with pytest.raises(CodecError, match="MemoryError"):
        run_child(python("sys.stdin.read(); bytearray(1 << 31)"), limits=limits)


@LINUX
def test_file_limit(tmp_path: Path) -> None:
    limits = ChildLimits(time_s=20, output_bytes=100, file_bytes=1000)
    run_child(python("sys.stdin.read(); f = open('f', 'wb', 0); f.write(bytes(1000))"), limits=limits, cwd=tmp_path)
    with pytest.raises(CodecError, match=r"File too large|SIGXFSZ"):
        run_child(
            python("sys.stdin.read(); f = open('f', 'wb', 0); f.write(bytes(1000)); f.write(b'x')"),
            limits=limits,
            cwd=tmp_path,
        )


@LINUX
def test_grandchildren_end_too(tmp_path: Path) -> None:
    program = f"pid = os.fork()\nif pid: open({str(tmp_path / 'pid')!r}, 'w').write(f'{{pid}}.')\ntime.sleep(60)"
    with pytest.raises(CodecError, match="did not finish"):
        run_child(python(program), limits=ChildLimits(time_s=3, output_bytes=100))
    assert_ends(wait_for(tmp_path / "pid"))


@LINUX
def test_grandchildren_left_behind_end_too(tmp_path: Path) -> None:
    path = str(tmp_path / "pid")
    program = f"""
pid = os.fork()
if pid: open({path!r}, 'w').write(f'{{pid}}.')
else: [os.close(i) for i in range(3)]; time.sleep(60)"""
    run_child(python(program), limits=LIMITS)
    assert_ends(wait_for(tmp_path / "pid"))


@LINUX
def test_a_group_is_stopped_alone(tmp_path: Path) -> None:
    """The children of another run, in the same process, go on."""
    groups = {"a": ChildGroup(), "b": ChildGroup()}
    ended: dict[str, str] = {}

    def work(name: str) -> None:
        path = str(tmp_path / name)
        program = f"open({path!r}, 'w').write(f'{{os.getpid()}}.'); sys.stdin.read(); time.sleep(60)"
        try:
            groups[name].run(lambda: run_child(python(program), limits=LIMITS))
        except CodecError as error:
            ended[name] = str(error)

    workers = {name: threading.Thread(target=work, args=(name,)) for name in groups}
    for worker in workers.values():
        worker.start()
    pids = {name: wait_for(tmp_path / name) for name in groups}
    groups["a"].stop()
    workers["a"].join(10)
    assert "was stopped" in ended["a"]
    assert not is_alive(pids["a"])
    assert is_alive(pids["b"])
    groups["b"].stop()
    workers["b"].join(10)
    assert not is_alive(pids["b"])


def test_a_child_that_comes_after_its_group_was_stopped() -> None:
    """A job that had been about to start one when another failed."""
    group = ChildGroup()
    group.stop()
    with pytest.raises(CodecError, match="was stopped"):
        group.run(lambda: run_child(python("time.sleep(60)"), limits=LIMITS))


@LINUX
def test_interrupted_caller_leaves_no_child(tmp_path: Path) -> None:
    path = str(tmp_path / "pid")
    program = f"""
import sys
from vcm_ref.process.child import ChildLimits, run_child
child = "import os, time; open({path!r}, 'w').write(f'{{os.getpid()}}.'); time.sleep(60)"
run_child([sys.executable, "-S", "-c", child], limits=ChildLimits(time_s=60, output_bytes=10))
"""
    caller = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True)
    pid = wait_for(tmp_path / "pid")
    assert os.getpgid(pid) == pid, "the child must not get the terminal's Ctrl-C"
    caller.send_signal(2)
    assert "KeyboardInterrupt" in caller.communicate(timeout=10)[1]
    assert not is_alive(pid)


@LINUX
def test_a_killed_caller_leaves_no_child(tmp_path: Path) -> None:
    """SIGKILL, after which nothing of ours runs; the child hangs, and looks at none of its pipes."""
    if not _ended_with_us():
        pytest.skip("setpriv is not installed")
    path = str(tmp_path / "pid")
    child = f"import os, time; open({path!r}, 'w').write(f'{{os.getpid()}}.'); time.sleep(600)"
    program = f"""
import sys
from vcm_ref.process.child import ChildLimits, run_child
run_child([sys.executable, "-S", "-c", {child!r}], limits=ChildLimits(time_s=600, output_bytes=10))
"""
    caller = subprocess.Popen([sys.executable, "-c", program])
    pid = wait_for(tmp_path / "pid")
    caller.kill()
    caller.wait()
    assert_ends(pid)


@LINUX
def test_processor_time_is_limited() -> None:
    """Also for a child whose caller is gone: the kernel ends it."""
    program = "import resource; print(*resource.getrlimit(resource.RLIMIT_CPU))"
    found = run_child(python(f"sys.stdin.read(); {program}"), limits=ChildLimits(time_s=7, output_bytes=100))
    cores = os.cpu_count() or 1
    assert [int(one) for one in found.split()] == [7 * cores + 1] * 2


#: It starts a process that leaves its parents, its session and its environment.
STRANGER = """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        note = "import os, sys, time; open(sys.argv[1], 'w').write(f'{os.getpid()}.'); time.sleep(600)"
        [os.close(fd) for fd in range(3) if sys.argv[2] == "closed"]
        os.execve(sys.executable, [sys.executable, "-I", "-S", "-c", note, sys.argv[1]], {})
    os._exit(0)
os.wait()
while not (os.path.exists(sys.argv[1]) and open(sys.argv[1]).read().endswith(".")):
    time.sleep(0.01)
"""


@LINUX
@pytest.mark.parametrize("pipes", ["closed", "held"])
def test_strangers_end_where_the_process_is_ours(tmp_path: Path, pipes: str) -> None:
    """In an executable of ours; its own other children go on."""
    program = f"""
import subprocess, sys
from vcm_ref.process.child import ChildLimits, run_child
from vcm_ref.process.orphans import own_process
own_process()
other = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE)
child = [sys.executable, "-S", "-c", {"import os, sys, time" + STRANGER!r}, {str(tmp_path / "pid")!r}, {pipes!r}]
run_child(child, limits=ChildLimits(time_s=600, output_bytes=10))
assert other.poll() is None
other.communicate(b"end\\n")
assert other.returncode == 0
"""
    subprocess.run([sys.executable, "-c", program], check=True)
    assert not is_alive(wait_for(tmp_path / "pid"))


@LINUX
def test_a_stranger_that_holds_the_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a process that is not ours alone it cannot be ended; whether the output is whole is not known."""
    monkeypatch.setattr("vcm_ref.process.child._GRACE_S", 0.2)
    with pytest.raises(CodecError, match="ended, and left a process that holds its output"):
        run_child([*python(STRANGER), str(tmp_path / "pid"), "held"], limits=LIMITS)
    os.kill(wait_for(tmp_path / "pid"), signal.SIGKILL)


# Output that is read while the child runs


def test_a_stream_comes_in_blocks() -> None:
    program = python("for n in range(5): os.write(1, bytes([n]) * 3000)")
    assert list(stream_child(program, limits=LIMITS, block=3000)) == [bytes([n]) * 3000 for n in range(5)]
    assert list(stream_child(python(""), limits=LIMITS, block=8)) == []


def test_a_stream_waits_for_its_reader_and_ends_when_it_is_closed(tmp_path: Path) -> None:
    noted = tmp_path / "pid"
    program = f"open({str(noted)!r}, 'w').write(f'{{os.getpid()}}.')\nwhile True: os.write(1, bytes(1 << 16))"
    stream = stream_child(python(program), limits=ChildLimits(20, 1 << 62), block=1 << 20)
    assert next(stream) == bytes(1 << 20)
    pid = wait_for(noted)
    assert is_alive(pid)
    stream.close()
    assert_ends(pid)


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("os.write(1, bytes(20)); sys.exit(3)", "failed with exit code 3"),
        ("os.write(1, bytes(20)); print('the reason', file=sys.stderr); sys.exit(3)", "the reason"),
        ("os.write(1, bytes(20))", "returned 4 bytes at the end, where 8 were due"),
        ("os.write(1, bytes(80))", "returned more than the 64 bytes"),
        ("os.write(1, bytes(8)); time.sleep(60)", "returned nothing for 0.5 s"),
        ("os.write(1, bytes(8)); os.kill(os.getpid(), 9)", "was ended by SIGKILL"),
    ],
)
def test_a_stream_that_goes_wrong_is_one_error(program: str, message: str) -> None:
    seconds = 0.5 if "0.5 s" in message else 60
    with pytest.raises(CodecError, match=message):
        list(stream_child(python(program), limits=ChildLimits(seconds, 64), block=8))
