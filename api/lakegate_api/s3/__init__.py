"""The S3 gateway: a plain ASGI application over the library, for any client that speaks S3."""
