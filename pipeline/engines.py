"""What runs the networks: ONNX Runtime by default, torch when asked for. Imported lazily."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.architectures import build
from pipeline.domain import Engine, WeightSpec
from pipeline.errors import EngineUnavailable, WeightsInvalid
from pipeline.settings import Settings
from pipeline.weights import WeightStore

# The key that every tensor has whose content lies in another file, as protobuf writes it: field 1,
# eight bytes long, the length in one byte or in several. ONNX Runtime would read that file.
EXTERNAL_DATA = re.compile(rb"\x0a(?:\x08|\x88\x80*\x00)location")
Arrays = Mapping[str, NDArray[Any]]


class OnnxEngine:
    """An ONNX graph in ONNX Runtime on the CPU.

    Args:
        graph: The file's bytes.
        threads: For one operator.

    Raises:
        EngineUnavailable: onnxruntime is not installed.
        WeightsInvalid: It cannot open the graph.
    """

    def __init__(self, graph: bytes, threads: int) -> None:
        if EXTERNAL_DATA.search(graph):
            raise WeightsInvalid("the graph reads tensors from other files, which are not checked")
        # its wheels would send usage data to their maker, and keep an identifier in HOME
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        try:
            import onnxruntime
        except ImportError as error:
            raise EngineUnavailable("engine=onnx needs onnxruntime") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # waiting threads sleep: the stages around the networks need the same few cores
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                graph, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its exceptions share no public base
            raise WeightsInvalid(f"ONNX Runtime cannot open the graph: {error}") from error
        kinds = {one.name: one.type for one in self._session.get_inputs()}
        self.takes_pixels = kinds.get("picture") == "tensor(uint8)"

    def run(self, inputs: Arrays) -> NDArray[Any]:
        """Named arrays of the graph's own types in, its first output out."""
        output: NDArray[Any] = self._session.run(None, dict(inputs))[0]
        return output


class TorchEngine:
    """The float weights in torch.

    Args:
        checkpoint: The file's bytes.
        architecture: See ``pipeline.architectures.build``.
        role: Likewise.
        shape: Likewise.
        threads: For one operator.

    Raises:
        EngineUnavailable: torch or safetensors is not installed.
        WeightsInvalid: The architecture is not known, or the tensors do not fit the module.
    """

    def __init__(
        self,
        checkpoint: bytes,
        architecture: str,
        role: str,
        shape: Mapping[str, Any],
        threads: int,
    ) -> None:
        try:
            import safetensors.torch
            import torch
        except ImportError as error:
            raise EngineUnavailable("engine=torch needs torch and safetensors") from error
        torch.set_num_threads(threads)
        self._torch = torch
        try:
            self._module, prefix = build(architecture, role, shape)
            from pipeline.architectures.compact import expanded

            state = {
                name.removeprefix(prefix): tensor
                for name, tensor in expanded(safetensors.torch.load(checkpoint)).items()
                if name.startswith(prefix)
            }
            self._module.load_state_dict(state)
        except (
            LookupError,
            TypeError,
            ValueError,
            RuntimeError,
            safetensors.SafetensorError,
        ) as error:
            raise WeightsInvalid(f"the float weights cannot be opened: {error}") from error
        self._module.eval()

    def run(self, inputs: Arrays) -> NDArray[np.float32]:
        """Named float32 arrays in the order of the module's inputs in, its output out."""
        with self._torch.inference_mode():
            tensors = [self._torch.from_numpy(array) for array in inputs.values()]
            output: NDArray[np.float32] = self._module(*tensors).numpy()
        return output


def open_engine(store: WeightStore, spec: WeightSpec, role: str, settings: Settings) -> Engine:
    """Hashes the file of a role and opens it in the engine that the settings choose."""
    if settings.engine == "torch":
        checkpoint = store.read(spec, "float")
        return TorchEngine(checkpoint, spec.architecture, role, spec.shape, settings.threads)
    return OnnxEngine(store.read(spec, role), settings.threads)
