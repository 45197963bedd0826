"""The lakegate server: REST, and the S3 gateway."""
