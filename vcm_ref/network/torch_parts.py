"""What the networks that run in torch share: weights with their digest, exact inference, tensors from arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TypeVar
from urllib.parse import urlparse

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vcm_ref.errors import NetworkError
from vcm_ref.network.checks import CPU, CUDA, check_device
from vcm_ref.network.tensor_files import read_tensors
from vcm_ref.network.weights_files import DEFAULT, RANDOM
from vcm_ref.reporting.provenance import file_digest

Model = TypeVar("Model", bound=nn.Module)


def model_with_weights(
    make: Callable[[], Model],
    weights: str | Path,
    seed: int,
    address: Callable[[], str],
    *,
    ignored: tuple[str, ...] = (),
) -> tuple[Model, dict[str, str]]:
    """Make a model with weights, in evaluation mode, and say which weights they are.

    ``weights`` is a file's path; `DEFAULT` for the file at ``address()``, which is downloaded once into torch's own
    cache; or `RANDOM` for the initialisation from ``seed``. Tensors of the file whose name contains one of ``ignored``
    are passed over; else the file must hold the model's tensors, no more and no fewer.

    Returns the model, and for a record the file's name and SHA-256, or the seed. Raises `NetworkError` in one line.
    """
    with torch.random.fork_rng(devices=[]):  # leave the caller's random numbers alone
        torch.manual_seed(seed)
        model = make()
    model.requires_grad_(False).eval()
    if str(weights) == RANDOM:
        return model, {"weights": f"random, seed {seed}"}
    path = _downloaded(address()) if str(weights) == DEFAULT else Path(weights)
    stored = read_state(path)
    wanted = model.state_dict()
    stored = {key: value for key, value in stored.items() if not any(word in key for word in ignored)}
    missing, surplus = wanted.keys() - stored.keys(), stored.keys() - wanted.keys()
    missing = {key for key in missing if not key.endswith("num_batches_tracked")}  # a counter of the training
    surplus = {key for key in surplus if not key.endswith("num_batches_tracked")}
    for keys, fault in ((missing, "lack {} that the model has"), (surplus, "hold {} that the model lacks")):
        if keys:
            tensors = f"{len(keys)} tensor{'s' * (len(keys) > 1)} ({min(keys)})"
            raise NetworkError(f"weights {path}: {fault.format(tensors)}; are they of another model?")
    try:
        model.load_state_dict(stored, strict=False)
    except RuntimeError as error:  # torch lists each tensor of another shape on a line of its own
        raise NetworkError(f"weights {path}: do not fit the model: {str(error).splitlines()[-1].strip()}") from error
    digest = file_digest(path)
    if str(weights) == DEFAULT and not digest.startswith(_promised_digest(path)):
        raise NetworkError(f"weights {path}: are not those published under this name; delete the file to get it again")
    return model, {"weights": path.name, "weights_sha256": digest}


def read_state(path: Path) -> dict[str, Tensor]:
    """The named tensors of a file: ``.safetensors``, torch's ``.pth``, or detectron2's ``.pkl``.

    No code of the file is run. Raises `NetworkError` for anything else.
    """
    try:
        stored = read_tensors(path)
    except FileNotFoundError as error:
        raise NetworkError(f"weights {path}: there is no such file") from error
    except ValueError as error:
        raise NetworkError(f"weights {path}: cannot be read: {error}") from error
    if isinstance(stored, Mapping) and isinstance(stored.get("model"), Mapping):  # detectron2 wraps them
        stored = stored["model"]
    kinds = (Tensor, np.ndarray, np.generic)
    if not isinstance(stored, Mapping) or not all(isinstance(value, kinds) for value in stored.values()):
        raise NetworkError(f"weights {path}: hold no mapping of names to tensors")
    try:
        return {str(key): torch.as_tensor(value) for key, value in stored.items()}
    except TypeError as error:  # an array of objects or of text
        raise NetworkError(f"weights {path}: hold an array that is not of numbers: {error}") from error


def _downloaded(address: str) -> Path:
    """The file at ``address`` in torch's cache, fetched there first if it is not."""
    name = PurePosixPath(urlparse(address).path).name
    path = Path(torch.hub.get_dir(), "checkpoints", name)
    if path.is_file():
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(address, str(path), _promised_digest(path) or None, progress=False)
    except (OSError, RuntimeError) as error:  # URLError is an OSError; a wrong digest is a RuntimeError
        raise NetworkError(
            f"weights cannot be downloaded from {address} ({error}); fetch the file and name it with network.weights"
        ) from error
    return path


def _promised_digest(path: Path) -> str:
    """The first digits of a file's SHA-256 that torchvision puts into its name; empty for other files."""
    _, _, prefix = path.stem.rpartition("-")
    return prefix if len(prefix) == 8 and set(prefix) <= set("0123456789abcdef") else ""


@contextmanager
def exact_inference() -> Iterator[None]:
    """Run torch in one thread and without gradients.

    With more threads torch splits sums by their number, and they round accordingly, which may move a byte of the
    bitstream; results are to be the same for any number of cores and workers. Pictures are what to run side by side.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            yield
    finally:
        torch.set_num_threads(threads)


def chosen_device(name: str) -> torch.device:
    """The device that ``network.device`` names, ``cpu`` or ``cuda``. Raises `NetworkError` where it is not there.

    On a GPU, products are in float32 and not in shorter formats, and algorithms are those that give the same every
    time; the CPU stays the reference all the same.
    """
    check_device(name)
    if name == CUDA:
        if not torch.cuda.is_available():
            raise NetworkError(f"network.device: torch {torch.__version__} finds no GPU for cuda here; use cpu")
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.benchmark = False
    return torch.device(name)


def device_record(device: torch.device) -> dict[str, str]:
    """The device for a record; nothing for the CPU."""
    return {} if device.type == CPU else {"device": f"{device.type}, {torch.cuda.get_device_name(device)}"}


def as_tensor(layer: NDArray[np.float32], device: torch.device | None = None) -> Tensor:
    """A layer (C, H, W) as a float32 tensor (1, C, H, W) that torch may write to."""
    return torch.from_numpy(np.require(layer, np.float32, ["C", "W"]))[None].to(device)


def as_layer(tensor: Tensor) -> NDArray[np.float32]:
    """A tensor (1, C, H, W) as a layer (C, H, W) float32 in C order."""
    layer: NDArray[np.float32] = tensor[0].contiguous().cpu().numpy()
    return layer
