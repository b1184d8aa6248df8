"""One training loop for all tasks; `run` introduces the parts to each other."""
