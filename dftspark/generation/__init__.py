"""From briefs to texts: many models, many sampler settings, nothing asked twice."""
