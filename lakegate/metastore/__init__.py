"""The database: refs by compare-and-set, staging, uploads, jobs, holds, users and keys."""
