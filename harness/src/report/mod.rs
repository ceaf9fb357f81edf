//! stub
use crate::record::{derived::Derived, io, run::Run};
pub fn write_folder(folder: &std::path::Path) -> anyhow::Result<Derived> {
    let l = io::read_run(&folder.join("run.json")).map_err(|e| anyhow::anyhow!("{e}"))?;
    let d = crate::measure::derive::derive(&l.run, &l.sha256);
    io::write_derived(folder, &d)?;
    Ok(d)
}
pub fn summary(_r: &Run, d: &Derived) -> String {
    let mut s = String::new();
    for a in &d.arms {
        s += &format!(
            "{:24} srv {:>8.0} store {:>7.0} above {:?} {:?} rank {:?} p50 {:?} redis {:?}/{} disc {}\n",
            a.arm,
            a.server_cpu_ns.unwrap_or(0.),
            a.store_cpu_ns.unwrap_or(0.),
            a.cpu_above_none_ns.map(|e| (e.low as i64, e.value as i64, e.high as i64)),
            a.cpu_verdict,
            a.cpu_rank,
            a.latency.first().map(|p| p.response_ns),
            a.redis_counted,
            a.requests,
            a.slots_discarded
        );
    }
    for l in &d.revocation_lag {
        s += &format!(
            "{} {} {:?} {:?} stale {}\n",
            l.strategy, l.basis, l.median_ns, l.max_ns, l.stale_accepts
        );
    }
    for c in &d.revocation_cost {
        s += &format!(
            "{} {} {:?} p50 {:?} redis {:?} acc {}/{}\n",
            c.strategy,
            c.operation,
            c.cpu_ns.map(|e| e.value as i64),
            c.p50_ns,
            c.redis_commands,
            c.accepted_afterwards,
            c.presented_afterwards
        );
    }
    for t in &d.trust {
        s += &format!("{} = {} ({}) {:?}\n", t.question, t.figure, t.limit, t.pass);
    }
    s
}
