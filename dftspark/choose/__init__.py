"""Chooses one of several samples of each prompt, so that the whole set matches human texts."""
