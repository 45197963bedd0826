"""Trees against plain dicts, on shapes so small that a few dozen entries make several levels."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakegate import tree
from lakegate.format.kinds import OBJECTS, Kind, TreeShape
from lakegate.ids import NodeId
from lakegate.model import Entry
from lakegate.testing.nodes import MemoryNodes
from lakegate.testing.strategies import TINY, Content, changes, contents, plain_entry, tiny, tree_paths

KIND = tiny(OBJECTS)
Changes = dict[str, Entry | None]


def build(nodes: MemoryNodes, content: Content, kind: Kind[Entry] = KIND) -> NodeId:
    return tree.build(nodes, kind, [content[path] for path in sorted(content)])


def changed(content: Content, change: Changes) -> Content:
    result = dict(content)
    for path, entry in change.items():
        if entry is None:
            result.pop(path, None)
        else:
            result[path] = entry
    return result


def random_content(rng: random.Random, size: int, space: int = 2000) -> Content:
    return {p: plain_entry(p, rng.randrange(3)) for p in (f"{n:05}" for n in rng.sample(range(space), size))}


def random_changes(rng: random.Random, size: int, space: int = 2000) -> Changes:
    paths = (f"{n:05}" for n in rng.sample(range(space), size))
    return {p: None if rng.random() < 0.5 else plain_entry(p, rng.randrange(3)) for p in paths}


def ids(nodes: MemoryNodes, root: NodeId) -> set[NodeId]:
    return {node.id for node in nodes.reachable(root)}


@given(contents(), st.lists(changes(), max_size=4))
def test_a_root_depends_on_the_content_alone(content: Content, steps: list[Changes]) -> None:
    nodes = MemoryNodes()
    root = build(nodes, content)
    for step in steps:
        root = tree.apply(nodes, KIND, root, sorted(step.items()))
        content = changed(content, step)
        assert root == build(nodes, content)
        assert list(tree.iterate(nodes, KIND, root)) == [content[path] for path in sorted(content)]


@given(contents(40), st.randoms(use_true_random=False))
def test_entries_put_one_by_one_in_any_order_give_the_same_root(content: Content, rng: random.Random) -> None:
    nodes = MemoryNodes()
    root = tree.empty(nodes, KIND)
    order = list(content)
    rng.shuffle(order)
    for path in order:
        root = tree.apply(nodes, KIND, root, [(path, content[path])])
    assert root == build(nodes, content)
    rng.shuffle(order)
    for path in order:
        root = tree.apply(nodes, KIND, root, [(path, None)])
    assert root == tree.empty(nodes, KIND)


@pytest.mark.parametrize("seed", range(8))
def test_deep_trees_are_history_independent(seed: int) -> None:
    rng = random.Random(seed)
    nodes = MemoryNodes()
    shape = rng.choice([TINY, TreeShape(2, 2, 2, 2), TreeShape(2, 3, 4, 4), TreeShape(16, 20, 3, 6)])
    kind = tiny(OBJECTS, shape)
    content = random_content(rng, rng.choice([0, 1, 30, 1000]))
    root = build(nodes, content, kind)
    for size in (1, 1, 2, 300, 1, 1500):
        step = random_changes(rng, size)
        root = tree.apply(nodes, kind, root, sorted(step.items()))
        content = changed(content, step)
        assert root == build(nodes, content, kind)
    for node in nodes.reachable(root):
        assert len(node.rows) <= shape.cap(node.level)


def test_the_tests_reach_depth() -> None:
    nodes = MemoryNodes()
    root = build(nodes, random_content(random.Random(1), 300))
    assert nodes.read(root).level > 3


@given(contents(), contents(), tree_paths() | st.just(""), tree_paths() | st.just(""))
def test_diff_is_that_of_dicts_and_reads_only_what_differs(
    left: Content, right: Content, prefix: str, after: str
) -> None:
    nodes = MemoryNodes()
    roots = build(nodes, left), build(nodes, right)
    wanted = [(p, left.get(p), right.get(p)) for p in sorted({**left, **right}) if left.get(p) != right.get(p)]
    nodes.reads.clear()
    found = [(change.path, change.left, change.right) for change in tree.diff(nodes, KIND, *roots)]
    assert found == wanted
    assert not (set(nodes.reads) - set(roots)) & ids(nodes, roots[0]) & ids(nodes, roots[1])
    part = [(c.path, c.left, c.right) for c in tree.diff(nodes, KIND, *roots, prefix, after)]
    assert part == [change for change in wanted if change[0].startswith(prefix) and change[0] > after]


@given(contents(), changes(), changes())
def test_merge_is_that_of_dicts_and_reads_only_what_differs(base: Content, ours: Changes, theirs: Changes) -> None:
    nodes = MemoryNodes()
    source, destination = changed(base, ours), changed(base, theirs)
    roots = build(nodes, base), build(nodes, source), build(nodes, destination)
    nodes.reads.clear()
    found = [(t.path, t.base, t.source, t.destination) for t in tree.merge(nodes, KIND, *roots)]
    every = sorted({**base, **source, **destination})
    triples = [(p, base.get(p), source.get(p), destination.get(p)) for p in every]
    assert found == [t for t in triples if t[2] != t[1] and t[2] != t[3]]
    of_base, of_source, of_destination = (ids(nodes, root) for root in roots)
    assert not (set(nodes.reads) - set(roots)) & of_source & (of_base | of_destination)


@pytest.mark.parametrize("seed", range(6))
def test_diff_and_merge_of_deep_trees(seed: int) -> None:
    rng = random.Random(seed)
    nodes = MemoryNodes()
    base = random_content(rng, rng.choice([0, 3, 700]))
    source = changed(base, random_changes(rng, rng.choice([1, 40, 1500])))
    destination = changed(base, random_changes(rng, rng.choice([1, 40, 1500])))
    roots = build(nodes, base), build(nodes, source), build(nodes, destination)
    every = sorted({**base, **source, **destination})
    nodes.reads.clear()
    found = [(c.path, c.left, c.right) for c in tree.diff(nodes, KIND, roots[0], roots[1])]
    assert found == [(p, base.get(p), source.get(p)) for p in every if base.get(p) != source.get(p)]
    assert not (set(nodes.reads) - set(roots)) & ids(nodes, roots[0]) & ids(nodes, roots[1])
    triples = [(t.path, t.base, t.source, t.destination) for t in tree.merge(nodes, KIND, *roots)]
    wanted = [(p, base.get(p), source.get(p), destination.get(p)) for p in every]
    assert triples == [t for t in wanted if t[2] != t[1] and t[2] != t[3]]


@given(contents(), tree_paths() | st.just(""), tree_paths() | st.just(""))
def test_look_up_and_listing_are_those_of_dicts(content: Content, prefix: str, after: str) -> None:
    nodes = MemoryNodes()
    root = build(nodes, content)
    listed = [entry.path for entry in tree.iterate(nodes, KIND, root, prefix, after)]
    assert listed == [path for path in sorted(content) if path.startswith(prefix) and path > after]
    for path in [prefix, after, *content]:
        assert tree.get(nodes, KIND, root, path) == content.get(path)
    assert tree.totals(nodes, root) == tree.Totals(len(content), sum(entry.size for entry in content.values()))


@given(contents(), st.lists(tree_paths()), st.randoms(use_true_random=False))
def test_look_ups_of_many_paths_are_those_of_one_and_read_each_range_once(
    content: Content, others: list[str], rng: random.Random
) -> None:
    nodes = MemoryNodes()
    root = build(nodes, content)
    paths = sorted({*others, *rng.sample(sorted(content), len(content) // 2)})
    nodes.reads.clear()
    assert list(tree.get_all(nodes, KIND, root, paths)) == [content.get(path) for path in paths]
    assert all(nodes.reads.count(node) <= 2 for node in set(nodes.reads) - {root})  # a hint, and the read


def test_order_is_that_of_utf8_bytes() -> None:
    nodes = MemoryNodes()
    paths = ["\U0001f600", "\ue000", "\uffff", "z", "é", "~"]
    root = build(nodes, {path: plain_entry(path) for path in paths})
    assert [e.path for e in tree.iterate(nodes, KIND, root)] == sorted(paths, key=str.encode)


@given(contents(60), changes(3))
def test_a_few_changes_write_few_nodes(content: Content, change: Changes) -> None:
    nodes = MemoryNodes()
    root = build(nodes, content)
    before = ids(nodes, root)
    nodes.written.clear()
    after = tree.apply(nodes, KIND, root, sorted(change.items()))
    assert ids(nodes, after) - before == set(nodes.written) & ids(nodes, after)
    if changed(content, change) == content:
        assert not nodes.written


def test_one_change_in_a_large_tree_touches_one_path_from_root_to_range() -> None:
    nodes = MemoryNodes()
    kind = tiny(OBJECTS, TreeShape(16, 64, 8, 32))
    content = random_content(random.Random(5), 3000, 9000)
    root = build(nodes, content, kind)
    height = nodes.read(root).level
    path = sorted(content)[1500]
    nodes.written.clear()
    nodes.reads.clear()
    tree.apply(nodes, kind, root, [(path, plain_entry(path, 9))])
    assert len(nodes.written) == height + 1
    assert len(set(nodes.reads) - set(nodes.written)) == height + 1


def test_changes_are_taken_as_a_stream() -> None:
    nodes = MemoryNodes()
    root = build(nodes, {"0": plain_entry("0"), "9": plain_entry("9")})
    many = {f"5{n:05}": plain_entry(f"5{n:05}") for n in range(20_000)}
    kind = tiny(OBJECTS, TreeShape(512, 2048))
    root = tree.apply(nodes, kind, tree.build(nodes, kind, tree.iterate(nodes, KIND, root)), iter(sorted(many.items())))
    assert root == build(nodes, {"0": plain_entry("0"), "9": plain_entry("9"), **many}, kind)


@pytest.mark.parametrize("paths", [["b", "a"], ["a", "a"], [""]])
def test_input_out_of_order_is_refused(paths: list[str]) -> None:
    nodes = MemoryNodes()
    with pytest.raises(ValueError, match="sorted"):
        tree.build(nodes, KIND, [plain_entry(path) for path in paths])
    root = build(nodes, {"x": plain_entry("x")})
    with pytest.raises(ValueError, match="sorted"):
        tree.apply(nodes, KIND, root, [(path, plain_entry(path)) for path in paths])
    assert [e.path for e in tree.iterate(nodes, KIND, root)] == ["x"]


def test_an_entry_is_put_at_its_own_path_only() -> None:
    nodes = MemoryNodes()
    root = build(nodes, {"x": plain_entry("x")})
    with pytest.raises(ValueError, match="says that its path"):
        tree.apply(nodes, KIND, root, [("a", plain_entry("b"))])
