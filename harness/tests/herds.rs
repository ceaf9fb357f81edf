//! Herds: many clients whose tokens end at one instant, and what a renewal costs.

mod server_support;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use authbench::credential::Carrier;
use authbench::identity::SubjectId;
use authbench::strategy::StrategyKind;
use authbench_fixture::PrivateRedis;
use authbench_harness::load::driver::DriverSettings;
use authbench_harness::measure::block::Silent;
use authbench_harness::measure::spectrum::renewals;
use authbench_harness::os::interrupt::Interrupt;
use server_support::*;

#[test]
fn a_herd_is_served_and_jitter_spreads_it() {
    let Ok(redis) = PrivateRedis::start() else {
        println!("skipped: no redis-server or valkey-server was found");
        return;
    };
    let kind = StrategyKind::RefreshRotation;
    let server = start(&config(kind, Carrier::Bearer, Some(&redis)));
    let subjects: Vec<SubjectId> = (0..100).map(SubjectId).collect();
    let silent = Silent(Interrupt::default());
    let timeout = std::time::Duration::from_secs(20);
    let settings = DriverSettings { timeout, ..DriverSettings::DEFAULT };
    let herd = |jitter_ns| {
        renewals::herd(kind, server.data(), (&subjects, jitter_ns), settings, &silent).unwrap()
    };
    let (aligned, jittered) = (herd(0), herd(500_000_000));
    assert_eq!((aligned.failed, jittered.failed), (0, 0), "{aligned:?} {jittered:?}");
    assert_eq!((aligned.due_peak_per_100_ms, jittered.due_peak_per_100_ms), (100, 20));
    // Redis counts what it was asked in between by others too: here, by nobody.
    let mut socket = TcpStream::connect(redis.address()).unwrap();
    let commands = || {
        socket.write_all(b"INFO commandstats\r\n")?;
        let mut text = vec![0; 64 * 1024];
        let length = socket.read(&mut text)?;
        let text = String::from_utf8_lossy(&text[..length]).into_owned();
        let calls = text.lines().filter(|line| line.starts_with("cmdstat_"));
        let calls = calls.filter(|line| !line.starts_with("cmdstat_info"));
        let of = |line: &str| line.split("calls=").nth(1)?.split(',').next()?.parse::<u64>().ok();
        Ok(calls.filter_map(of).sum())
    };
    let cost = renewals::cost(kind, &server, commands, (&subjects[..10], 2), settings, &silent);
    let cost = cost.unwrap();
    // A script, and three commands in it.
    assert_eq!((cost.calls, cost.redis_commands), (20, 80), "{cost:?}");
}
