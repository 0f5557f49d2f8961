"""A device with little memory, played by torch's own hook: where a product is too large, it says so as a GPU's allocator does."""

from typing import Any

import torch
from torch.overrides import TorchFunctionMode


class ScarceMemory(TorchFunctionMode):
    """While it is entered, batched products whose left side has more numbers than this raise torch.OutOfMemoryError.

    refused: how many were.
    """

    def __init__(self, numbers: int) -> None:
        super().__init__()
        self._numbers, self.refused = numbers, 0

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function in (torch.bmm, torch.baddbmm) and args[-2].numel() > self._numbers:
            self.refused += 1
            raise torch.OutOfMemoryError(f"tried to allocate room for {args[-2].numel()} numbers")
        return function(*args, **(kwargs or {}))
