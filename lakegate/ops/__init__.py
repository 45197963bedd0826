"""The use cases of one repository, one verb a file, above the stores."""
