"""The Delta log: its state as of a snapshot, what a client may write to it, and versions that lakegate writes."""
