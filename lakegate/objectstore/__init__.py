"""Object stores: one small protocol, a local folder and everything that obstore speaks."""
