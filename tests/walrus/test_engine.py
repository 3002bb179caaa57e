import torch

from walrus.engine import EngineSettings, allow_tf32


def test_products_are_exact_unless_tf32_is_asked_for():
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    assert not EngineSettings().tf32
    for allowed, precision in ((True, "high"), (False, "highest")):
        allow_tf32(allowed)
        assert torch.get_float32_matmul_precision() == precision
        assert torch.backends.cudnn.allow_tf32 == allowed
    torch.set_float32_matmul_precision(before[0])
    torch.backends.cudnn.allow_tf32 = before[1]
