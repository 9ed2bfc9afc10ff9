"""Requests to models over HTTP: never sent twice, within caps, whatever is killed."""
