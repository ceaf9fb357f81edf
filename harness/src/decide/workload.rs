//! A workload: what the reader's system does, what it demands, and what it pays.
//!
//! Every key has a unit in its name. Keys that are left out have the value that is written here; an
//! unknown key, a negative or a missing number is refused with its name.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How the credential is encoded on the wire.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoder {
    /// HTTP/1.1: whole, in every request.
    #[default]
    Http1,
    /// HTTP/2 that never indexes a credential (RFC 7541 section 7.1.3; hyper's `h2`).
    NeverIndexed,
    /// HTTP/2 as nghttp2 does it: cookies are indexed, `authorization` is not.
    Nghttp2,
    /// HTTP/2 that indexes whatever fits (browsers, Go).
    IndexAll,
}

impl Encoder {
    /// The name of its rows in a record; nothing for HTTP/1.1.
    #[must_use]
    pub const fn policy(self) -> Option<&'static str> {
        match self {
            Self::Http1 => None,
            Self::NeverIndexed => Some("never-indexed"),
            Self::Nghttp2 => Some("nghttp2"),
            Self::IndexAll => Some("index-all"),
        }
    }
}

/// What requests must meet while the store does not answer.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoreDown {
    /// Anything.
    #[default]
    Any,
    /// No revoked credential may be admitted; good ones may be refused.
    Closed,
    /// Good credentials go on working, whatever becomes of revoked ones.
    GoesOn,
}

/// What the system demands. Each is a constraint by that name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Demands {
    /// A logout must have taken effect within this, seconds, when all is well.
    pub lag_limit_s: Option<f64>,
    /// The same when a node is cut off from the store.
    pub lag_limit_partition_s: Option<f64>,
    /// What authentication may add to the median response time, milliseconds.
    pub latency_limit_ms: Option<f64>,
    /// The credential must not be longer than this, bytes: 4,096 for a cookie (RFC 6265).
    pub credential_limit_bytes: Option<f64>,
    /// Logout everywhere must take effect within `lag_limit_s`, or at all.
    pub end_all: bool,
    /// A user must be able to see their live sessions (OWASP ASVS 5.0, 7.5.2).
    pub list_sessions: bool,
    /// Somebody without our secrets must be able to verify a credential.
    pub third_party: bool,
    /// A credential is good once.
    pub single_use: bool,
    /// A loss of the store's state must not revive what was revoked.
    pub no_revival: bool,
    /// What must become of requests while the store does not answer.
    pub store_down: StoreDown,
    /// Stores that may be used, of `redis`, `postgres`, `sqlite`; all when left out.
    pub stores: Option<Vec<String>>,
}

/// What things cost, per month, in the reader's currency.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Prices {
    /// A processor.
    pub core: f64,
    /// A GiB of memory.
    pub memory_gib: f64,
    /// A GiB of request traffic.
    pub traffic_gib: f64,
}

impl Default for Prices {
    // Placeholders of the usual order, for a reader who gives none.
    fn default() -> Self {
        Self { core: 25.0, memory_gib: 3.0, traffic_gib: 0.0 }
    }
}

/// A workload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Workload {
    /// Its name.
    pub name: String,
    /// Authenticated requests from outside at the peak, per second.
    pub requests_per_second: f64,
    /// Requests that each of those causes inside, each verified again, one after another.
    pub internal_hops: f64,
    /// Live sessions.
    pub sessions: f64,
    /// How long one is used, from its login to its last request, seconds.
    pub session_s: f64,
    /// Processes that verify.
    pub nodes: f64,
    /// Requests that one client makes within a second, on average: what a one-second cache sees.
    pub burst: f64,
    /// Network round trip to the store, beyond that of loopback, milliseconds.
    pub store_rtt_ms: f64,
    /// Lifetime of a token, seconds.
    pub lifetime_s: f64,
    /// What a verifier grants beyond expiry, seconds.
    pub leeway_s: f64,
    /// How long a cached verdict is believed, and how often a list is polled, seconds.
    pub period_s: f64,
    /// Logouts per second, of one session each.
    pub revocations_per_second: f64,
    /// Requests per second that somebody with a stolen credential makes.
    pub attacker_per_second: f64,
    /// JSON of the claims, bytes.
    pub claims_bytes: f64,
    /// How the credential travels.
    pub encoder: Encoder,
    /// Requests on one connection with the same credential.
    pub requests_per_connection: f64,
    /// CPU of the application's own work per external request, milliseconds.
    pub application_ms: f64,
    /// Share of a processor that is used at the peak, of 1.
    pub utilisation: f64,
    /// What it demands.
    pub demands: Demands,
    /// What it pays.
    pub prices: Prices,
    /// The family of strategies that is usually advised for it: `session`, `token`,
    /// `token-with-state`, `hybrid`, `link`; nothing when none is.
    pub usual_advice: Option<String>,
}

impl Default for Workload {
    fn default() -> Self {
        Self {
            name: "workload".into(),
            requests_per_second: 1_000.0,
            internal_hops: 0.0,
            sessions: 100_000.0,
            session_s: 43_200.0,
            nodes: 4.0,
            burst: 1.0,
            store_rtt_ms: 0.3,
            lifetime_s: 900.0,
            leeway_s: 0.0,
            period_s: 1.0,
            revocations_per_second: 0.1,
            attacker_per_second: 1.0,
            claims_bytes: 230.0,
            encoder: Encoder::Http1,
            requests_per_connection: 50.0,
            application_ms: 5.0,
            utilisation: 0.6,
            demands: Demands::default(),
            prices: Prices::default(),
            usual_advice: None,
        }
    }
}

/// Why a workload cannot be used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WorkloadError(pub String);

impl fmt::Display for WorkloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for WorkloadError {}

/// The shipped workloads: six usual cases.
pub const PRESETS: [(&str, &str); 6] = [
    ("single-web-app", include_str!("../../presets/single-web-app.toml")),
    ("spa-backend", include_str!("../../presets/spa-backend.toml")),
    ("mobile", include_str!("../../presets/mobile.toml")),
    ("public-api", include_str!("../../presets/public-api.toml")),
    ("microservices", include_str!("../../presets/microservices.toml")),
    ("one-time-links", include_str!("../../presets/one-time-links.toml")),
];

/// The input keys that are numbers, with the least and the most that each may be.
pub const NUMBERS: [(&str, f64, f64); 17] = [
    ("requests_per_second", 0.001, 1e9),
    ("internal_hops", 0.0, 1_000.0),
    ("sessions", 0.0, 1e12),
    ("session_s", 1.0, 1e10),
    ("nodes", 1.0, 1e6),
    ("burst", 1.0, 1e6),
    ("store_rtt_ms", 0.0, 10_000.0),
    ("lifetime_s", 1.0, 1e9),
    ("leeway_s", 0.0, 86_400.0),
    ("period_s", 0.001, 86_400.0),
    ("revocations_per_second", 0.0, 1e9),
    ("attacker_per_second", 0.0, 1e9),
    ("claims_bytes", 0.0, 1e6),
    ("requests_per_connection", 1.0, 1e9),
    ("application_ms", 0.0, 1e6),
    ("utilisation", 0.01, 1.0),
    ("lag_limit_s", 0.0, 1e9),
];

/// Families of strategies that may be advised.
const ADVICE: [&str; 5] = ["session", "token", "token-with-state", "hybrid", "link"];

impl Workload {
    /// Requests that one node verifies per second: those from outside, and those that they cause
    /// inside.
    #[must_use]
    pub fn per_node(&self) -> f64 {
        self.requests_per_second * (1.0 + self.internal_hops) / self.nodes
    }

    /// Reads a workload of TOML.
    ///
    /// # Errors
    /// With the line of an unknown key or a value of the wrong kind, or the key of a number that is
    /// out of range.
    pub fn parse(name: &str, text: &str) -> Result<Self, WorkloadError> {
        let read: Self =
            toml::from_str(text).map_err(|e| WorkloadError(format!("workload {name}: {e}")))?;
        read.checked().map_err(|e| WorkloadError(format!("workload {name}: {e}")))
    }

    /// A shipped workload.
    ///
    /// # Errors
    /// There is none of that name; the error lists them.
    pub fn preset(name: &str) -> Result<Self, WorkloadError> {
        let found = PRESETS.iter().find(|(own, _)| *own == name);
        let Some((own, text)) = found else {
            let names: Vec<&str> = PRESETS.iter().map(|(own, _)| *own).collect();
            let all = names.join(", ");
            return Err(WorkloadError(format!("there is no preset `{name}`; there are {all}")));
        };
        Self::parse(own, text)
    }

    /// The same, if every number is one that the model can work with.
    ///
    /// # Errors
    /// The key of the first that is not, and what it must be.
    pub fn checked(self) -> Result<Self, WorkloadError> {
        for (key, low, high) in NUMBERS {
            let Some(value) = self.number(key) else { continue };
            if !(low..=high).contains(&value) {
                let what = format!("`{key}` is {value}; it must be from {low} to {high}");
                return Err(WorkloadError(what));
            }
        }
        let demands = &self.demands;
        let others = [
            ("demands.lag_limit_partition_s", demands.lag_limit_partition_s),
            ("demands.latency_limit_ms", demands.latency_limit_ms),
            ("demands.credential_limit_bytes", demands.credential_limit_bytes),
            ("prices.core", Some(self.prices.core)),
            ("prices.memory_gib", Some(self.prices.memory_gib)),
            ("prices.traffic_gib", Some(self.prices.traffic_gib)),
        ];
        for (key, value) in others {
            if value.is_some_and(|value| !(0.0..=1e12).contains(&value)) {
                return Err(WorkloadError(format!("`{key}` must be a number from 0 on")));
            }
        }
        if let Some(other) = self.usual_advice.as_ref().filter(|a| !ADVICE.contains(&a.as_str())) {
            let all = ADVICE.join(", ");
            return Err(WorkloadError(format!("`usual_advice` is `{other}`; it is one of {all}")));
        }
        const STORES: [&str; 3] = ["redis", "postgres", "sqlite"];
        let stores = demands.stores.iter().flatten();
        if let Some(other) = stores.into_iter().find(|s| !STORES.contains(&s.as_str())) {
            let all = STORES.join(", ");
            return Err(WorkloadError(format!("`stores` names `{other}`; there are {all}")));
        }
        Ok(self)
    }

    /// One of [`NUMBERS`], or of the limits and prices, by its key.
    #[must_use]
    pub fn number(&self, key: &str) -> Option<f64> {
        let mut copy = self.clone();
        copy.place(key).and_then(|place| match place {
            Place::Given(value) => Some(*value),
            Place::Limit(value) => *value,
        })
    }

    /// The same workload with another value of that key.
    #[must_use]
    pub fn with(&self, key: &str, value: f64) -> Self {
        let mut copy = self.clone();
        match copy.place(key) {
            Some(Place::Given(place)) => *place = value,
            Some(Place::Limit(place)) => *place = Some(value),
            None => {}
        }
        copy
    }

    fn place(&mut self, key: &str) -> Option<Place<'_>> {
        Some(match key {
            "requests_per_second" => Place::Given(&mut self.requests_per_second),
            "internal_hops" => Place::Given(&mut self.internal_hops),
            "sessions" => Place::Given(&mut self.sessions),
            "session_s" => Place::Given(&mut self.session_s),
            "nodes" => Place::Given(&mut self.nodes),
            "burst" => Place::Given(&mut self.burst),
            "store_rtt_ms" => Place::Given(&mut self.store_rtt_ms),
            "lifetime_s" => Place::Given(&mut self.lifetime_s),
            "leeway_s" => Place::Given(&mut self.leeway_s),
            "period_s" => Place::Given(&mut self.period_s),
            "revocations_per_second" => Place::Given(&mut self.revocations_per_second),
            "attacker_per_second" => Place::Given(&mut self.attacker_per_second),
            "claims_bytes" => Place::Given(&mut self.claims_bytes),
            "requests_per_connection" => Place::Given(&mut self.requests_per_connection),
            "application_ms" => Place::Given(&mut self.application_ms),
            "utilisation" => Place::Given(&mut self.utilisation),
            "core" => Place::Given(&mut self.prices.core),
            "memory_gib" => Place::Given(&mut self.prices.memory_gib),
            "traffic_gib" => Place::Given(&mut self.prices.traffic_gib),
            "lag_limit_s" => Place::Limit(&mut self.demands.lag_limit_s),
            "lag_limit_partition_s" => Place::Limit(&mut self.demands.lag_limit_partition_s),
            "latency_limit_ms" => Place::Limit(&mut self.demands.latency_limit_ms),
            _ => return None,
        })
    }
}

/// Where a number stands.
enum Place<'w> {
    Given(&'w mut f64),
    Limit(&'w mut Option<f64>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_a_workload() {
        for (name, _) in PRESETS {
            let workload = Workload::preset(name).unwrap();
            assert_eq!(workload.name, name);
            assert!(workload.usual_advice.is_some(), "{name}");
        }
        let unknown = Workload::preset("blog").unwrap_err().0;
        assert!(unknown.contains("single-web-app") && unknown.contains("`blog`"), "{unknown}");
    }

    #[test]
    fn what_cannot_be_is_refused_by_its_key() {
        for (text, key) in [
            ("requests_per_second = -5.0", "requests_per_second"),
            ("nodes = 0", "nodes"),
            ("store_rtt_ms = nan", "store_rtt_ms"),
            ("utilisation = 60", "utilisation"),
            ("[demands]\nlag_limit_s = -1", "lag_limit_s"),
            ("[demands]\nlatency_limit_ms = -1", "latency_limit_ms"),
            ("[demands]\nstores = [\"mongo\"]", "mongo"),
            ("[prices]\ncore = -3", "prices.core"),
            ("rate = 5", "rate"),
            ("usual_advice = \"tokens\"", "tokens"),
        ] {
            let why = Workload::parse("mine", text).unwrap_err().0;
            assert!(why.contains(key) && why.contains("mine"), "{text}: {why}");
        }
    }

    #[test]
    fn a_number_is_set_and_read_by_its_key() {
        let workload = Workload::default();
        for (key, low, _) in NUMBERS {
            assert_eq!(workload.with(key, low).number(key), Some(low), "{key}");
        }
        assert_eq!(workload.number("colour"), None);
        assert_eq!(workload.number("lag_limit_s"), None);
    }
}
