//! What is counted once, beside what is timed in a loop: bytes on the wire, limits, memory.

use std::sync::Arc;

use anyhow::Context as _;
use authbench_subjects::bed::Bed;
use authbench_subjects::state::memory;
use authbench_subjects::wire;

use crate::measure::store::Store;
use crate::record::run::{HeaderBlock, LimitRow, MemoryRow, Run, WireRow};

/// Fills in sizes and limits, and the memory of entries where there is a private Redis. The HTTP/2
/// figures are held against a real connection first.
///
/// # Errors
/// A credential cannot be made, or the real connection carries other bytes than were computed.
pub fn count(bed: &Arc<Bed>, run: &mut Run) -> anyhow::Result<()> {
    wire::loopback::check(bed).context("the sizes do not agree with a real connection")?;
    run.wire = wire::rows(bed)?.into_iter().map(wire_row).collect();
    run.limits = wire::limits(bed)?.into_iter().map(limit_row).collect();
    if bed.redis.as_ref().is_ok_and(|stage| stage.unix_url.is_some()) {
        run.memory = memory::rows(bed)?.into_iter().map(memory_row).collect();
    }
    Ok(())
}

/// Product and version of the Redis at `url`.
///
/// # Errors
/// When it does not answer.
pub fn redis_version(url: &str) -> anyhow::Result<String> {
    Ok(Store::connect(url.to_owned())?.version().to_owned())
}

fn wire_row(row: wire::Row) -> WireRow {
    let block = |block: wire::Block| HeaderBlock {
        policy: block.policy.into(),
        first_bytes: block.first_bytes,
        later_bytes: block.later_bytes,
    };
    WireRow {
        credential: row.credential.into(),
        algorithm: row.algorithm,
        claims: row.claims,
        claims_bytes: row.claims_bytes,
        carrier: row.carrier.into(),
        credential_bytes: row.credential_bytes,
        header_line_bytes: row.header_line_bytes,
        request_bytes: row.request_bytes,
        header_blocks: row.header_blocks.into_iter().map(block).collect(),
    }
}

fn limit_row(limit: wire::limits::Limit) -> LimitRow {
    LimitRow {
        limit: limit.limit.into(),
        about: limit.about.into(),
        limit_bytes: limit.limit_bytes,
        algorithm: limit.algorithm,
        carrier: limit.carrier.into(),
        claims_bytes: limit.claims_bytes,
    }
}

pub(super) fn memory_row(row: memory::Row) -> MemoryRow {
    MemoryRow {
        strategy: row.strategy.name().into(),
        entry: row.entry.into(),
        entries: row.entries,
        used_before_bytes: row.used_before_bytes,
        used_after_bytes: row.used_after_bytes,
        keys: row.keys,
        usage_bytes: row.usage_bytes,
    }
}

#[cfg(test)]
mod tests {
    use authbench_subjects::wire::request::COOKIE_NAME;

    /// The sizes are those of the cookie that our servers set.
    #[test]
    fn the_cookie_that_is_sized_is_the_one_that_is_served() {
        assert_eq!(COOKIE_NAME, crate::server::carrier::COOKIE_NAME);
    }
}
