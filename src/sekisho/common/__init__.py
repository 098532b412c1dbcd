"""Small shared values: errors, clocks, ids, canonical bytes, randomness. No policy, no effects."""
