"""Which of two texts does a judge prefer? Prompts, pairs, requests, the client, verdicts."""
