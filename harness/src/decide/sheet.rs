//! A workload written out for somebody to fill in: every key, with what it means.

use std::fmt::Write as _;

use super::workload::Workload;

/// A key, what it means, and a value where the workload has none.
struct Line(&'static str, &'static str, &'static str);

const WORKLOAD: [Line; 19] = [
    Line("name", "", ""),
    Line("requests_per_second", "authenticated requests from outside at the peak", ""),
    Line("internal_hops", "requests that each of those causes inside, each verified again", ""),
    Line("sessions", "live sessions", ""),
    Line("session_s", "how long one is used, seconds", ""),
    Line("nodes", "processes that verify", ""),
    Line("burst", "requests that one client makes within a second, on average", ""),
    Line("store_rtt_ms", "network round trip to the store, beyond that of loopback", ""),
    Line("lifetime_s", "lifetime of a token, seconds", ""),
    Line("leeway_s", "what a verifier grants beyond expiry, seconds", ""),
    Line("period_s", "how long a cached verdict is believed, how often a list is polled", ""),
    Line("revocations_per_second", "logouts, of one session each", ""),
    Line("attacker_per_second", "requests of somebody with a stolen credential", ""),
    Line("claims_bytes", "JSON of the claims in a token", ""),
    Line("encoder", "http1, or HTTP/2: never-indexed, nghttp2, index-all", ""),
    Line("requests_per_connection", "requests on one connection with one credential", ""),
    Line("application_ms", "CPU of the application's own work per request", ""),
    Line("utilisation", "share of a processor that is used at the peak, of 1", ""),
    Line(
        "usual_advice",
        "session, token, token-with-state, hybrid or link, to be told where the figures disagree",
        "\"token\"",
    ),
];

const DEMANDS: [Line; 11] = [
    Line("lag_limit_s", "a logout must work within this, seconds, when all is well", "60"),
    Line("lag_limit_partition_s", "the same with a node cut off from the store", "900"),
    Line("latency_limit_ms", "what authentication may add to the median", "5"),
    Line("credential_limit_bytes", "4096 for a cookie", "4096"),
    Line("end_all", "logout everywhere must work", ""),
    Line("list_sessions", "a user must see their live sessions", ""),
    Line("third_party", "somebody without our secrets must be able to verify", ""),
    Line("single_use", "a credential is good once", ""),
    Line("no_revival", "a loss of the store's state must not revive what was revoked", ""),
    Line("store_down", "any, closed (refuse when in doubt), goes-on (admit when in doubt)", ""),
    Line("stores", "those that may be used", "[\"redis\", \"postgres\", \"sqlite\"]"),
];

const PRICES: [Line; 3] = [
    Line("core", "a processor, a month, in your currency", ""),
    Line("memory_gib", "a GiB of memory, a month", ""),
    Line("traffic_gib", "a GiB of request traffic", ""),
];

/// Every key as TOML; what the workload does not set stands there as a comment.
///
/// # Errors
/// None for values of this type.
pub fn written(workload: &Workload) -> Result<String, toml::ser::Error> {
    let all = toml::Table::try_from(workload)?;
    let mut text = String::new();
    let sections =
        [("", WORKLOAD.as_slice()), ("demands", DEMANDS.as_slice()), ("prices", PRICES.as_slice())];
    for (section, lines) in sections {
        let table = all.get(section).and_then(toml::Value::as_table).unwrap_or(&all);
        if !section.is_empty() {
            let _ = writeln!(text, "\n[{section}]");
        }
        for Line(key, meaning, example) in lines {
            let set = table.get(*key).map(|value| format!("{key} = {value}"));
            let line = set.unwrap_or_else(|| format!("# {key} = {example}"));
            let _ = match *meaning {
                "" => writeln!(text, "{line}"),
                meaning => writeln!(text, "{line:<32} # {meaning}"),
            };
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::workload::{Demands, PRESETS};

    #[test]
    fn what_is_written_is_the_workload_and_names_every_key() {
        let presets = PRESETS.iter().map(|(name, _)| Workload::preset(name).unwrap());
        for workload in presets.chain([Workload::default()]) {
            let text = written(&workload).unwrap();
            assert_eq!(Workload::parse("w", &text).unwrap(), workload, "{text}");
            // With the comments taken away every key is set, and is one that is known.
            let whole = text.replace("\n# ", "\n");
            let read = Workload::parse("w", &whole).unwrap();
            let none: Vec<bool> = {
                let Demands {
                    lag_limit_s,
                    lag_limit_partition_s,
                    latency_limit_ms,
                    credential_limit_bytes,
                    stores,
                    ..
                } = &read.demands;
                let numbers =
                    [lag_limit_s, lag_limit_partition_s, latency_limit_ms, credential_limit_bytes];
                let numbers = numbers.into_iter().map(Option::is_none);
                numbers.chain([stores.is_none(), read.usual_advice.is_none()]).collect()
            };
            assert!(!none.contains(&true), "{whole}");
        }
        // Nothing that a workload can hold is left out.
        let full = written(&Workload::default()).unwrap().replace("\n# ", "\n");
        let whole = toml::Table::try_from(Workload::parse("w", &full).unwrap()).unwrap();
        let of = |section: &str| whole[section].as_table().unwrap().len();
        assert_eq!(whole.len() - 2, WORKLOAD.len());
        assert_eq!((of("demands"), of("prices")), (DEMANDS.len(), PRICES.len()));
    }
}
