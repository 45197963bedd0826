"""The nouns of lakegate as REST writes them in JSON, in both directions.

The server renders with `*_to_json`, the client reads with `*_from_json`, and the command line prints with the former.
Times are integer seconds in the fields that other clients know; `*_ms` beside them holds the exact milliseconds.
"""
