"""The test kit: conformance suites, a faulty store, invariants. Shipped code never imports it."""
