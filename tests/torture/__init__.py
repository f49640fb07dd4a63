"""The fault regime itself: what its checks find in histories that are known to be bad."""
