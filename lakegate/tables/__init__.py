"""Delta tables and Parquet datasets: detection, reading, diff and history."""
