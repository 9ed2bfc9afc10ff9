"""One of several samples a prompt, so that the whole set is where the human texts are."""
