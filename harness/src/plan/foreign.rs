//! The target file of `authbench revoke --target`: how to log in to an application that is not
//! ours, ask it something and log out.
//!
//! Deliberately absent: requests before a login (CSRF tokens), several steps of one login, TLS.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::file::PlanError;
use super::template::Template;

/// Most requests per second, over all nodes.
pub const MOST_PER_SECOND: u64 = 2_000;
/// Most trials.
pub const MOST_TRIALS: u32 = 1_000;
/// Longest watch after a logout, milliseconds.
pub const LONGEST_WATCH_MS: u64 = 120_000;

/// An application, and how its revocation is measured.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetFile {
    /// Where it listens: `http://host:port`, one per node. Logins and logouts go to the first.
    pub base_urls: Vec<String>,
    /// The name of a trial's user; `{n}` is the trial's number. By default `authbench-{n}`.
    #[serde(default = "default_user")]
    pub user: Template,
    /// Most requests per second, over all nodes.
    #[serde(default = "default_rate")]
    pub rate_per_second: u64,
    /// Logouts that are measured.
    #[serde(default = "default_trials")]
    pub trials: u32,
    /// From one probe of a node to its next, milliseconds; by default as short as the rate allows.
    pub probe_interval_ms: Option<u64>,
    /// How long a credential is watched after its logout, milliseconds.
    #[serde(default = "default_watch")]
    pub watch_ms: u64,
    /// A logout comes at an age of up to this much more than the first probes take, milliseconds.
    #[serde(default = "default_age")]
    pub age_up_to_ms: u64,
    /// Hands out a credential.
    pub login: Login,
    /// What a client asks with its credential.
    pub request: Probe,
    /// Takes the credential back that it presents.
    pub logout: Call,
    /// Takes back all credentials of the user; measured on one it did not present.
    pub logout_all: Option<Call>,
}

/// A request whose answer hands out a credential, under exactly one of three names.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// The method.
    #[serde(default = "default_post")]
    pub method: String,
    /// The path, behind the base URL.
    pub path: Template,
    /// Header lines.
    #[serde(default)]
    pub headers: BTreeMap<String, Template>,
    /// The body.
    #[serde(default)]
    pub body: Template,
    /// Statuses of a success.
    #[serde(default = "default_accept")]
    pub accept: Vec<u16>,
    /// It is the value of this cookie.
    pub cookie: Option<String>,
    /// It stands at this JSON pointer (RFC 6901) of the body.
    pub json: Option<String>,
    /// It is the value of this header.
    pub header: Option<String>,
}

/// A request that is answered one way to a good credential and another way to a bad one.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// The method.
    #[serde(default = "default_get")]
    pub method: String,
    /// The path, behind the base URL.
    pub path: Template,
    /// Header lines.
    #[serde(default)]
    pub headers: BTreeMap<String, Template>,
    /// The body.
    #[serde(default)]
    pub body: Template,
    /// Statuses that mean: admitted.
    pub accept: Vec<u16>,
    /// Statuses that mean: turned away.
    pub refuse: Vec<u16>,
    /// An admitted answer's body holds this; one with an accepting status and without it was
    /// turned away.
    pub accept_contains: Option<String>,
}

/// A request that takes credentials back.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// The method.
    #[serde(default = "default_post")]
    pub method: String,
    /// The path, behind the base URL.
    pub path: Template,
    /// Header lines.
    #[serde(default)]
    pub headers: BTreeMap<String, Template>,
    /// The body.
    #[serde(default)]
    pub body: Template,
    /// Statuses of a success.
    #[serde(default = "default_accept")]
    pub accept: Vec<u16>,
}

/// What every request of a target file is made of.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// The method.
    pub method: &'a str,
    /// The path.
    pub path: &'a Template,
    /// Header lines.
    pub headers: &'a BTreeMap<String, Template>,
    /// The body.
    pub body: &'a Template,
}

/// Gives a request's parts.
macro_rules! parts {
    ($($kind:ty),+) => { $(
        impl $kind {
            /// Method, path, headers and body.
            #[must_use]
            pub fn parts(&self) -> Parts<'_> {
                let Self { method, path, headers, body, .. } = self;
                Parts { method, path, headers, body }
            }
        }
    )+ };
}

parts!(Login, Probe, Call);

/// Where a login's answer has the credential.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    /// The value of this cookie.
    Cookie(&'a str),
    /// At this JSON pointer.
    Json(&'a str),
    /// The value of this header.
    Header(&'a str),
}

impl Login {
    /// Where the answer has the credential; `None` unless exactly one place is named.
    #[must_use]
    pub fn place(&self) -> Option<Place<'_>> {
        match (&self.cookie, &self.json, &self.header) {
            (Some(name), None, None) => Some(Place::Cookie(name)),
            (None, Some(pointer), None) => Some(Place::Json(pointer)),
            (None, None, Some(name)) => Some(Place::Header(name)),
            _ => None,
        }
    }
}

fn default_user() -> Template {
    Template::parse("authbench-{n}").unwrap_or_default()
}

const fn default_rate() -> u64 {
    200
}

const fn default_trials() -> u32 {
    60
}

const fn default_watch() -> u64 {
    1_000
}

const fn default_age() -> u64 {
    250
}

fn default_post() -> String {
    "POST".into()
}

fn default_get() -> String {
    "GET".into()
}

fn default_accept() -> Vec<u16> {
    vec![200, 204]
}

impl TargetFile {
    /// The target in a file.
    ///
    /// # Errors
    /// When it cannot be read or used; names the key and, for what is not TOML of this shape, the
    /// line.
    pub fn read(path: &Path) -> Result<Self, PlanError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|e| {
            PlanError(format!("cannot read the target {name}: {e}; --target takes a TOML file"))
        })?;
        Self::parse(&name, &text)
    }

    /// Reads and checks a target; `name` stands in its errors.
    ///
    /// # Errors
    /// As [`TargetFile::read`].
    pub fn parse(name: &str, text: &str) -> Result<Self, PlanError> {
        let target: Self = toml::from_str(text).map_err(|e| {
            // Not its own text, which quotes the line: that may hold a password.
            let before = e.span().map(|span| text.get(..span.start).unwrap_or_default());
            let line = before.map(|text| text.matches('\n').count() + 1);
            let place = line.map_or_else(String::new, |line| format!(", line {line}"));
            PlanError(format!("in the target {name}{place}: {}", e.message()))
        })?;
        target.check().map_err(|what| PlanError(format!("in the target {name}: {what}")))?;
        Ok(target)
    }

    /// From one probe of a node to its next, milliseconds.
    #[must_use]
    pub fn interval_ms(&self) -> u64 {
        let shortest = (self.base_urls.len() as u64 * 1_000).div_ceil(self.rate_per_second.max(1));
        self.probe_interval_ms.unwrap_or_else(|| shortest.max(1))
    }

    fn check(&self) -> Result<(), String> {
        if self.base_urls.is_empty() || self.base_urls.len() > 16 {
            let count = self.base_urls.len();
            return Err(format!("`base_urls` names {count} nodes; it takes 1 to 16"));
        }
        for (key, value, least, most) in [
            ("rate_per_second", self.rate_per_second, 1, MOST_PER_SECOND),
            ("trials", self.trials.into(), 1, MOST_TRIALS.into()),
            ("probe_interval_ms", self.interval_ms(), 1, 1_000),
            ("watch_ms", self.watch_ms, 1, LONGEST_WATCH_MS),
            ("age_up_to_ms", self.age_up_to_ms, 0, 60_000),
        ] {
            if value < least || value > most {
                return Err(format!("`{key}` is {value}; it must be {least} to {most}"));
            }
        }
        let (nodes, interval_ms) = (self.base_urls.len() as u64, self.interval_ms());
        if nodes * 1_000 > self.rate_per_second * interval_ms {
            return Err(format!(
                "`probe_interval_ms` is {interval_ms}: with {nodes} nodes that is {} requests per \
                 second, above `rate_per_second`, {}; lengthen the one or raise the other",
                nodes * 1_000 / interval_ms,
                self.rate_per_second
            ));
        }
        self.check_requests()
    }

    fn check_requests(&self) -> Result<(), String> {
        let login = &self.login;
        let Some(place) = login.place() else {
            return Err("[login] must name one of `cookie`, `json` and `header`, where its \
                        answer has the credential"
                .into());
        };
        if let Place::Json(pointer) = place
            && !pointer.starts_with('/')
        {
            return Err(format!("[login] `json` is `{pointer}`; a JSON pointer begins with `/`"));
        }
        if uses_credential(login.parts()) {
            return Err("[login] uses {credential}, which it is to hand out".into());
        }
        let calls = [("request", self.request.parts()), ("logout", self.logout.parts())];
        let all = self.logout_all.iter().map(|call| ("logout_all", call.parts()));
        for (name, parts) in calls.into_iter().chain(all) {
            if !uses_credential(parts) {
                return Err(format!(
                    "[{name}] does not present {{credential}}; put it into a header, the path or \
                     the body"
                ));
            }
            check_shape(name, parts)?;
        }
        check_shape("login", login.parts())?;
        if self.user.uses("user") || self.user.uses("credential") {
            return Err("`user` may use {n} and nothing else".into());
        }
        let probe = &self.request;
        if let Some(both) = probe.accept.iter().find(|status| probe.refuse.contains(status)) {
            return Err(format!(
                "[request] names {both} in `accept` and in `refuse`; to tell them apart by the \
                 body, leave it in `accept` and say `accept_contains`"
            ));
        }
        let marked = probe.accept_contains.as_deref();
        if marked == Some("") || (probe.refuse.is_empty() && marked.is_none()) {
            return Err("[request] must say what a refusal is: `refuse`, or a text for \
                        `accept_contains`"
                .into());
        }
        check_statuses("request", &probe.accept, &probe.refuse)?;
        check_statuses("login", &login.accept, &[])?;
        check_statuses("logout", &self.logout.accept, &[])?;
        let all = self.logout_all.as_ref();
        all.map_or(Ok(()), |call| check_statuses("logout_all", &call.accept, &[]))
    }
}

/// That something can succeed, and that statuses are statuses of an answer.
fn check_statuses(name: &str, accept: &[u16], refuse: &[u16]) -> Result<(), String> {
    if accept.is_empty() {
        return Err(format!("[{name}] has an empty `accept`; nothing could succeed"));
    }
    match accept.iter().chain(refuse).find(|status| !(200..=599).contains(*status)) {
        Some(wrong) => Err(format!("[{name}] names the status {wrong}; statuses are 200 to 599")),
        None => Ok(()),
    }
}

fn uses_credential(parts: Parts<'_>) -> bool {
    let texts = [parts.path, parts.body];
    texts.into_iter().chain(parts.headers.values()).any(|text| text.uses("credential"))
}

/// That the request is one HTTP can carry.
fn check_shape(name: &str, parts: Parts<'_>) -> Result<(), String> {
    let is_token = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_!#$".contains(&b))
    };
    if !is_token(parts.method) || parts.method == "HEAD" || parts.method == "CONNECT" {
        return Err(format!("[{name}] `method` is `{}`, which is not sent here", parts.method));
    }
    let path = parts.path.source();
    if !path.starts_with('/') || path.bytes().any(|b| b <= b' ' || b == 0x7f || b == b'#') {
        return Err(format!(
            "[{name}] `path` must begin with `/` and hold no space, `#` or line break"
        ));
    }
    for (header, value) in parts.headers {
        if !is_token(header) || value.source().contains(['\r', '\n']) {
            return Err(format!("[{name}] has a header `{header}` that no request can carry"));
        }
        let ours = ["host", "content-length", "transfer-encoding", "connection", "expect"];
        if ours.contains(&&*header.to_ascii_lowercase()) {
            return Err(format!("[{name}] sets `{header}`, which is set here; leave it out"));
        }
    }
    Ok(())
}
