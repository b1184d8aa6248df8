"""The networks. Tensors in, tensors out: no files, no task names."""
