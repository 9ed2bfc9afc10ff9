"""Two profiles to numbers, one lens at a time: pure functions of stored states."""
