"""Makes texts from briefs: many models, many sampler settings, nothing asked twice."""
