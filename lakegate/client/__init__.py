"""A lake behind a server: the use cases of `lakegate.interface` over HTTP, and the fsspec filesystem."""
