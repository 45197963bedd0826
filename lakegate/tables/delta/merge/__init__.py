"""Merges two histories of one Delta table: the source's transactions become new versions after the destination's.

`transactions` reads what each side did since the base, `reads` tells what a transaction read, `clashes` finds what
Delta's conflict rules forbid, `lineage` which files brought back hold the same rows, `metadata` joins schemas,
properties and protocols, `files` carries file actions over (compactions undone, deletion vectors united), and `plan`
puts it together. No data file is rewritten.
"""
