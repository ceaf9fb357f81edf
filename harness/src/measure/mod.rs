//! From driver, servers and clocks to the figures of a record.
