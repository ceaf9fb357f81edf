//! The driver: seeded schedules, connections, stamps, a ledger that closes.
