"""Side by side with others' code, in one process: the same work, the same weights, outputs compared."""
