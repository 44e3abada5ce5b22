"""A suite of a few bytes, made by hand, and a decoder that knows its vectors and behaves as it is told."""

from __future__ import annotations

import hashlib
import json
import lzma
import struct
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from vcm_ref.conformance.adaptor import Adaptor, load_adaptor
from vcm_ref.conformance.judgement import Outcome
from vcm_ref.conformance.manifest import (
    Generator,
    Kind,
    LayerDigest,
    PictureDigests,
    Shape,
    Specification,
    SubstreamDigest,
    Suite,
    TensorDigest,
    Vector,
    VectorLimits,
    save_suite,
)
from vcm_ref.conformance.results import Result
from vcm_ref.conformance.runner import Plan, run_vectors
from vcm_ref.conformance.stored_file import StoredFile

SECONDS = 60.0  # for what shall not meet it, on a busy machine either
MEMORY = 1 << 28
TIERS = {"t0.raw": ("uint16", "<H"), "t1.raw": ("uint16", "<H"), "t2.raw": ("float32", "<f")}

#: Looks its vector up in a folder of answers, by what is in the bitstream, and then does as its first argument says.
DECODER = """
import os, shutil, signal, sys, time
behaviour, answers, bitstream, output, *planes = sys.argv[1:]
with open(bitstream) as file:
    answer = os.path.join(answers, file.read())
if planes:
    with open(planes[1], "rb") as given, open(os.path.join(answer, "t0.raw"), "rb") as right:
        assert given.read() == right.read()
note = os.path.join(answers, "pid")

def say(pid):
    with open(note + ".new", "w") as file:
        file.write(str(pid))
    os.rename(note + ".new", note)

def decode():
    code = os.path.join(answer, "code")
    if os.path.exists(code):
        with open(code) as file:
            return int(file.read())
    shutil.copytree(answer, output)
    return 0

def forever():
    time.sleep(600)

def change(tier, function):
    path = os.path.join(output, tier)
    with open(path, "r+b") as file:
        content = function(bytearray(file.read()))
        file.seek(0)
        file.truncate()
        file.write(content)

code = decode()
if behaviour == "reject all":
    shutil.rmtree(output, ignore_errors=True)
    code = 10
elif behaviour == "accept all":
    code = 0
elif behaviour == "unsupported":
    shutil.rmtree(output, ignore_errors=True)
    code = 11
elif behaviour.startswith("exit"):
    code = int(behaviour.split()[1])
elif behaviour == "leave output":
    os.makedirs(os.path.join(output, "a", "b"))
    open(os.path.join(output, "a", "b", "part"), "w").close()
elif behaviour == "file for folder":
    shutil.rmtree(output, ignore_errors=True)
    open(output, "w").close()
elif behaviour == "empty folder":
    os.makedirs(output, exist_ok=True)
elif behaviour == "signal":
    os.kill(os.getpid(), signal.SIGSEGV)
elif behaviour == "hang":
    say(os.getpid())
    forever()
elif behaviour == "fork and wait":
    pid = os.fork()
    if pid:
        say(pid)
        os.waitpid(pid, 0)
    else:
        forever()
elif behaviour == "leave a child":
    pid = os.fork()
    if pid:
        say(pid)
    else:
        forever()
elif behaviour == "leave a daemon":
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            say(os.getpid())
            forever()
        os._exit(0)
    os.wait()
    while not os.path.exists(note):
        time.sleep(0.01)
elif behaviour == "leave a stranger":
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            wait = "import os, time; open({0!r}, 'w').write(str(os.getpid())); os.rename({0!r}, {1!r}); time.sleep(600)"
            os.execve(sys.executable, [sys.executable, "-I", "-S", "-c", wait.format(note + ".new", note)], {})
        os._exit(0)
    os.wait()
    while not os.path.exists(note):
        time.sleep(0.01)
elif behaviour == "end its parent":
    os.kill(os.getppid(), signal.SIGKILL)
elif behaviour == "write to a file without a name":
    file = open("gone", "wb", 0)
    os.remove("gone")
    for _ in range(1 << 7):
        file.write(bytes(1 << 20))
    forever()
elif behaviour == "nest folders":
    os.chdir(output)
    for _ in range(1100):
        os.mkdir("deep")
        os.chdir("deep")
    open("file", "w").close()
elif behaviour == "make many files":
    for number in range(200):
        open(os.path.join(output, str(number)), "w").close()
elif behaviour == "leave links":
    os.symlink("/nowhere", os.path.join(output, "dangling"))
    os.symlink("..", os.path.join(output, "up"))
    os.symlink("self", "self")
elif behaviour == "leave odd files":
    import socket
    os.mkfifo(os.path.join(output, "pipe"))
    socket.socket(socket.AF_UNIX).bind("socket")
    open(os.path.join(output, "closed"), "w").close()
    os.chmod(os.path.join(output, "closed"), 0)
    open(os.path.join(os.fsencode(output), b"\\xff\\n\\x1b"), "w").close()
    os.makedirs("a/b", 0)
    os.chmod("a", 0)
elif behaviour == "link for folder":
    os.rename(output, output + "2")
    os.symlink(output + "2", output)
elif behaviour == "link for its folder":
    here = os.getcwd()
    shutil.rmtree(here)
    os.symlink("/nowhere", here)
elif behaviour == "close its folders":
    os.chmod(os.path.join(output, "t1.raw"), 0)
    os.chmod(output, 0)
    os.chmod(".", 0)
elif behaviour == "remove its folder":
    shutil.rmtree(os.getcwd())
elif behaviour == "socket":
    import socket
    os.remove(os.path.join(output, "t1.raw"))
    os.chdir(output)
    socket.socket(socket.AF_UNIX).bind("t1.raw")
elif behaviour == "huge":
    os.truncate(os.path.join(output, "t1.raw"), 1 << 40)
elif behaviour == "folder for file":
    os.remove(os.path.join(output, "t1.raw"))
    os.mkdir(os.path.join(output, "t1.raw"))
elif behaviour == "refuse oddly":
    os.makedirs(output)
    open(os.path.join(os.fsencode(output), b"a\\xff\\x1b"), "w").close()
elif behaviour == "eat memory":
    eaten = [bytearray(1 << 24) for _ in range(64)]
    forever()
elif behaviour == "a child eats memory":
    if os.fork() == 0:
        os.setsid()
        eaten = [bytearray(1 << 24) for _ in range(64)]
        forever()
    os.wait()
elif behaviour == "share memory":
    shared = bytearray(os.urandom(1 << 20)) * 160
    children = [os.fork() for _ in range(2)] if os.fork() == 0 else []
    time.sleep(0.5)
    if children:
        os._exit(0)
elif behaviour == "write without end":
    with open(os.path.join(output, "more"), "wb", 0) as file:
        for _ in range(1 << 10):
            file.write(bytes(1 << 20))
    forever()
elif behaviour == "print without end":
    while True:
        print("all is well " * 1000)
elif behaviour == "print much":
    for stream in (sys.stdout, sys.stderr):
        print("all is well\\n" * 100000 + "\\x1b[31m<&>the last word\\n", file=stream)
    code = 70
elif behaviour == "wrong sample":
    change("t1.raw", lambda content: content[:-1] + b"\\x55")
elif behaviour == "all wrong":
    for tier in ("t0.raw", "t1.raw", "t2.raw"):
        change(tier, lambda content: bytearray(len(content)))
elif behaviour == "too little":
    change("t1.raw", lambda content: content[:-2])
elif behaviour == "too much":
    change("t2.raw", lambda content: content + b"\\0" * 4)
elif behaviour == "only t1":
    os.remove(os.path.join(output, "t0.raw"))
    os.remove(os.path.join(output, "t2.raw"))
elif behaviour == "no t1":
    os.remove(os.path.join(output, "t1.raw"))
elif behaviour == "link":
    os.rename(os.path.join(output, "t1.raw"), bitstream + ".t1")
    os.symlink(bitstream + ".t1", os.path.join(output, "t1.raw"))
elif behaviour == "pipe":
    os.remove(os.path.join(output, "t1.raw"))
    os.mkfifo(os.path.join(output, "t1.raw"))
elif behaviour == "spoil the input":
    with open(bitstream, "w") as file:
        file.write("x")
else:
    assert behaviour == "right", behaviour
sys.stdout.flush()
sys.exit(code)
"""


def tensor(shape: Shape, start: int) -> list[int]:
    """Samples: numbers that go on from ``start``."""
    count = shape[0] * shape[1] * shape[2]
    return [(start + 7 * index) % 1024 for index in range(count)]


def packed(tier: str, samples: Sequence[float]) -> bytes:
    """Samples in the form of the file ``tier``."""
    return b"".join(struct.pack(TIERS[tier][1], sample) for sample in samples)


def digest(tier: str, name: str, shape: Shape, samples: Sequence[float]) -> str:
    """The digest as docs/bitstream.md, 8.7, has it, byte by byte."""
    kind = TIERS[tier][0].encode()
    text = bytes([len(name)]) + name.encode() + bytes([len(kind)]) + kind + bytes([3])
    text += b"".join(struct.pack("<I", size) for size in shape) + packed(tier, samples)
    return hashlib.sha256(text).hexdigest()


def stored(folder: Path, name: str, content: bytes) -> StoredFile:
    """A file of the suite."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(lzma.compress(content) if name.endswith(".xz") else content)
    return StoredFile(name, len(content), hashlib.sha256(content).hexdigest())


class SmallSuite:
    """A suite in ``folder``/suite, and in ``folder``/answers what a right decoder makes of its vectors."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "suite"
        self.answers = folder / "answers"
        self.decoder = folder / "decoder.py"
        self.decoder.write_text(DECODER)
        self.answers.mkdir()
        self.vectors: list[Vector] = []

    def positive(self, name: str, pictures: int = 1, suffix: str = "", **changed: Any) -> None:
        """A vector of one substream (1, 4, 6), and layers p2 (2, 2, 3) and p3 (1, 2, 2), for each picture."""
        files: dict[str, bytes] = dict.fromkeys(TIERS, b"")
        digests = []
        for number in range(pictures):
            plane, p2, p3 = tensor((1, 4, 6), number), tensor((2, 2, 3), 11 + number), tensor((1, 2, 2), 22 + number)
            layers = [("p2", (2, 2, 3), p2), ("p3", (1, 2, 2), p3)]
            halves = {layer: [sample / 2 for sample in samples] for layer, _, samples in layers}
            files["t0.raw"] += packed("t0.raw", plane)
            for layer, _, samples in layers:
                files["t1.raw"] += packed("t1.raw", samples)
                files["t2.raw"] += packed("t2.raw", halves[layer])
            found = tuple(
                LayerDigest(layer, shape, digest("t2.raw", layer, shape, halves[layer])) for layer, shape, _ in layers
            )
            tensors = tuple(
                TensorDigest(layer, shape, digest("t1.raw", layer, shape, samples)) for layer, shape, samples in layers
            )
            substream = SubstreamDigest((1, 4, 6), digest("t0.raw", "substream0", (1, 4, 6), plane))
            digests.append(PictureDigests(16, 24, (substream,), tensors, found))
        answer = self.answers / name
        answer.mkdir()
        for file, content in files.items():
            (answer / file).write_bytes(content)
        planes = stored(self.folder, f"planes/{name}.raw{suffix}", files["t0.raw"])
        vector = self._vector(name, "positive", f"vectors/{name}.bin{suffix}")
        self.vectors.append(replace(vector, pictures=tuple(digests), planes=planes, **changed))

    def refused(self, name: str, code: int, error: str, kind: Kind = "negative", **changed: Any) -> None:
        """A vector that a right decoder refuses."""
        (self.answers / name).mkdir()
        (self.answers / name / "code").write_text(str(code))
        vector = self._vector(name, kind, f"vectors/{name}.bin")
        self.vectors.append(replace(vector, errors=(error,), **changed))

    def _vector(self, name: str, kind: Kind, file: str) -> Vector:
        return Vector(
            id=name,
            revision=int(name.rpartition("_")[2]),
            kind=kind,
            profile="Core",
            level=1,
            inner_codec="LOSSLESS",
            features=(name.partition("_")[0].lower(),),
            clauses=("8.5",),
            purpose=f"Shows what {name} shows.",
            failure_suggests=f"Look at what {name} needs.",
            bitstream=stored(self.folder, file, name.encode()),
            pictures=(),
            planes=None,
            errors=(),
            limits=VectorLimits(SECONDS, MEMORY),
        )

    def save(self) -> Suite:
        """Write the manifest."""
        suite = Suite(
            "small suite",
            "1.0",
            Specification("docs/bitstream.md", 2),
            Generator("by hand", ("--small",), {"python": "3"}),
            tuple(self.vectors),
        )
        save_suite(self.folder, suite)
        return suite

    def adaptor_file(self, behaviour: str, **changed: Any) -> Path:
        """An adaptor for the decoder that behaves so; a key changed to ``None`` is left out."""
        command = ["{python}", "-I", "-S", "./decoder.py", behaviour, str(self.answers), "{bitstream}", "{output}"]
        tree = {
            "name": behaviour,
            "command": command,
            "planes": ["--planes", "{planes}"],
            "profiles": ["Core", "VVC"],
            "level": 2,
            **changed,
        }
        path = self.decoder.with_name("adaptor.yaml")
        path.write_text(yaml.safe_dump({key: value for key, value in tree.items() if value is not None}))
        return path

    def adaptor(self, behaviour: str, **changed: Any) -> Adaptor:
        """The same, read."""
        return load_adaptor(self.adaptor_file(behaviour, **changed))

    def limited(self, name: str, **limits: Any) -> Vector:
        """The vector of that id, with other limits."""
        (vector,) = [vector for vector in self.vectors if vector.id == name]
        return replace(vector, limits=replace(vector.limits, **limits))

    def results(self, behaviour: str, vectors: Sequence[Vector] | None = None, **options: Any) -> list[Result]:
        """What the decoder that behaves so comes to."""
        plan = Plan(self.folder, self.adaptor(behaviour), **{"jobs": 2, **options})
        return run_vectors(plan, self.vectors if vectors is None else vectors, lambda share: None)

    def outcome(self, behaviour: str, vector: Vector | str) -> tuple[Outcome, str]:
        """Outcome and reason of one vector."""
        if isinstance(vector, str):
            vector = self.limited(vector)
        (result,) = self.results(behaviour, [vector])
        return result.outcome, result.judgement.reason


def usual_suite(folder: Path) -> SmallSuite:
    """Two positive vectors, two negative ones, and one of kind limit; one of each file is compressed."""
    suite = SmallSuite(folder)
    suite.positive("GOOD_A_1")
    suite.positive("GOOD_VVC_A_1", pictures=2, suffix=".xz", profile="VVC", level=2, inner_codec="VVC")
    suite.refused("BAD_A_1", 10, "BitstreamError", profile=None, level=None, inner_codec=None)
    suite.refused("BAD_VVC_A_2", 13, "CodecError", profile="VVC", level=2, inner_codec="VVC")
    suite.refused("LARGE_A_1", 12, "LimitError", kind="limit")
    suite.save()
    return suite


def edited(folder: Path, edit: Any) -> None:
    """Change the manifest as ``edit`` changes its document."""
    path = folder / "manifest.json"
    document = json.loads(path.read_text())
    edit(document)
    path.write_text(json.dumps(document))
