"""Trains a model towards a population of human texts: what to aim at, the reward, and the gate."""
