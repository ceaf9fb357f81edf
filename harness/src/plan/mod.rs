//! What to measure: plans and their expansion into arms, blocks, rounds and slots.
