"""From bytes to the model and back: canonical JSON, content hashes, rows, nodes and documents of format version 1.

The specification is docs/spec/storage-format.md. Pure: nothing here reads or writes a store.
"""
