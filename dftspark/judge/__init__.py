"""Judges that say which of two texts is better: prompts, pairs, requests, the client, verdicts."""
