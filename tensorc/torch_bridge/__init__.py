"""The bridge to PyTorch: functions as native differentiable operations of torch tensors."""
