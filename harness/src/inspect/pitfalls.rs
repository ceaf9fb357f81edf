//! What is wrong with a token, or will be, as far as the token itself shows it.

use serde_json::{Map, Value};

use super::{Kind, Token};

/// How bad it is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Weight {
    /// Whoever accepts it can be deceived, or it can never be taken back.
    Danger,
    /// It costs or exposes more than it should.
    Warning,
}

impl Weight {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Danger => "danger",
            Self::Warning => "warning",
        }
    }
}

/// Something that is wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pitfall {
    /// How bad it is.
    pub weight: Weight,
    /// What it is and why it matters.
    pub what: String,
}

/// A token that cannot be taken back should not outlive this, seconds: an hour.
const LONG_S: f64 = 3_600.0;
/// One that lives longer than this is a session that cannot be ended, seconds: a day.
const TOO_LONG_S: f64 = 86_400.0;
/// What a browser keeps of a cookie, name and attributes included (RFC 6265 section 6.1), bytes.
const COOKIE_BYTES: usize = 4_096;
/// The header lines that common servers read, bytes.
const HEADERS_BYTES: usize = 8_192;
/// Claims that name a person, or say something about one (OpenID Connect Core section 5.1).
const PERSONAL: [&str; 18] = [
    "name",
    "given_name",
    "family_name",
    "middle_name",
    "nickname",
    "preferred_username",
    "email",
    "phone",
    "phone_number",
    "address",
    "birthdate",
    "gender",
    "picture",
    "profile",
    "website",
    "zoneinfo",
    "ip",
    "locale",
];
/// Claims that must never be in something that everybody can read.
const SECRET: [&str; 7] =
    ["password", "pwd", "secret", "api_key", "apikey", "private_key", "credit_card"];
/// Header fields by which a token brings its own key along (RFC 7515 section 4.1).
const BRINGS_A_KEY: [&str; 4] = ["jku", "jwk", "x5u", "x5c"];
/// No time in seconds is as large: it would be in the year 5138.
const MILLISECONDS: f64 = 1e11;
/// Claims of RFC 9068 section 2.2 that every access token has.
const REQUIRED: [&str; 5] = ["iss", "sub", "aud", "iat", "jti"];

/// Everything that is wrong with `token` at `now`, seconds since 1970; the worst first.
#[must_use]
pub fn pitfalls(token: &Token<'_>, now: f64) -> Vec<Pitfall> {
    let mut found = Vec::new();
    if token.kind != Kind::Opaque {
        header(token, &mut found);
    }
    if let Some(claims) = &token.claims {
        times(token, now, &mut found);
        contents(claims, &mut found);
    }
    size(token, &mut found);
    found.sort_by_key(|pitfall| pitfall.weight);
    found
}

/// What comes from the token is escaped: a terminal obeys some characters.
fn push(found: &mut Vec<Pitfall>, weight: Weight, what: impl Into<String>) {
    let what = what.into().chars().flat_map(shown).collect();
    found.push(Pitfall { weight, what });
}

/// A character as it may be shown: what is printable as it is, all else by its number.
pub fn shown(c: char) -> impl Iterator<Item = char> {
    let is_hidden = c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let escaped = is_hidden.then(|| c.escape_unicode());
    escaped.into_iter().flatten().chain((!is_hidden).then_some(c))
}

fn header(token: &Token<'_>, found: &mut Vec<Pitfall>) {
    match token.header_text("alg") {
        None => {
            push(found, Weight::Danger, "its header has no `alg`: nothing says how it is signed")
        }
        Some(alg) if alg.eq_ignore_ascii_case("none") => {
            push(found, Weight::Danger, "`alg` is none: it is not signed, anybody can write it");
        }
        Some(alg @ ("RS1" | "HS1" | "RSA1_5")) => {
            push(found, Weight::Danger, format!("`{alg}` is broken; use ES256, EdDSA or HS256"));
        }
        Some(alg) if alg.starts_with("HS") => push(
            found,
            Weight::Warning,
            format!(
                "`{alg}`: whoever can verify it can also forge it; keep the secret to one party"
            ),
        ),
        Some(_) => {}
    }
    for name in BRINGS_A_KEY {
        if token.header.contains_key(name) {
            push(
                found,
                Weight::Danger,
                format!("`{name}` brings its own key along: who follows it verifies forgeries"),
            );
        }
    }
    if token.kind == Kind::Signed && !token.header.contains_key("kid") {
        push(found, Weight::Warning, "no `kid`: keys cannot be rotated without trying each");
    }
    if token.kind == Kind::Signed && !token.header.contains_key("typ") {
        push(
            found,
            Weight::Warning,
            "no `typ`: an ID token can be taken for an access token (RFC 9068 section 2.1)",
        );
    }
}

fn times(token: &Token<'_>, now: f64, found: &mut Vec<Pitfall>) {
    for name in ["exp", "iat", "nbf"] {
        if token.claim(name).is_some_and(|value| !value.is_number()) {
            push(
                found,
                Weight::Danger,
                format!("`{name}` is no number: some libraries skip the check then"),
            );
        }
    }
    // A reader that takes it for seconds, as RFC 7519 section 2 says, sees a year beyond 5000.
    if let Some(name) = ["exp", "iat", "nbf"]
        .into_iter()
        .find(|name| token.time(name).is_some_and(|time| time > MILLISECONDS))
    {
        push(
            found,
            Weight::Danger,
            format!("`{name}` is in milliseconds: read as seconds, it is thousands of years away"),
        );
        return;
    }
    match token.time("exp") {
        None if token.claim("exp").is_none() => push(
            found,
            Weight::Danger,
            "no `exp`: it never expires; whoever wants it back must deny it for ever, or change \
             the key",
        ),
        Some(exp) if exp <= now => push(found, Weight::Warning, "it has expired"),
        _ => {}
    }
    if token.time("nbf").is_some_and(|nbf| nbf > now) {
        push(found, Weight::Warning, "`nbf` is in the future: it is not good yet");
    }
    if token.time("iat").is_some_and(|iat| iat > now + 60.0) {
        push(found, Weight::Warning, "`iat` is in the future: a clock is wrong");
    }
    // Without a beginning, what is left of it.
    let left = || Some(token.time("exp")? - now);
    match token.lifetime_s().or_else(left) {
        Some(life) if life > TOO_LONG_S => push(
            found,
            Weight::Danger,
            format!(
                "it lives {:.1} days: without a deny-list or a version, a logout waits that long",
                life / 86_400.0
            ),
        ),
        Some(life) if life > LONG_S => push(
            found,
            Weight::Warning,
            format!(
                "it lives {:.1} hours: without a deny-list or a version, a logout waits that long",
                life / 3_600.0
            ),
        ),
        _ => {}
    }
}

fn contents(claims: &Map<String, Value>, found: &mut Vec<Pitfall>) {
    let missing: Vec<&str> =
        REQUIRED.into_iter().filter(|name| !claims.contains_key(*name)).collect();
    if !missing.is_empty() {
        push(
            found,
            Weight::Warning,
            format!(
                "no `{}`: an access token has {} (RFC 9068 section 2.2)",
                missing.join("`, `"),
                if missing.len() == 1 { "it" } else { "them" }
            ),
        );
    }
    let named = |all: &[&str]| -> Vec<String> {
        let is_one = |name: &&String| all.contains(&name.to_ascii_lowercase().as_str());
        claims.keys().filter(is_one).cloned().collect()
    };
    let secret = named(&SECRET);
    if !secret.is_empty() {
        push(found, Weight::Danger, format!("`{}`: everybody can read it", secret.join("`, `")));
    }
    let mut personal = named(&PERSONAL);
    for name in addresses(claims) {
        if !personal.contains(&name) {
            personal.push(name);
        }
    }
    if !personal.is_empty() {
        push(
            found,
            Weight::Warning,
            format!(
                "`{}`: personal data that every log and proxy on the way can read",
                personal.join("`, `")
            ),
        );
    }
}

/// Claims whose value looks like a mail address, whatever they are called.
fn addresses(claims: &Map<String, Value>) -> impl Iterator<Item = String> + '_ {
    let is_address = |text: &str| {
        text.split_once('@').is_some_and(|(user, host)| !user.is_empty() && host.contains('.'))
            && !text.contains([' ', '/'])
    };
    let looks = move |(_, value): &(&String, &Value)| value.as_str().is_some_and(is_address);
    claims.iter().filter(looks).map(|(name, _)| name.clone())
}

fn size(token: &Token<'_>, found: &mut Vec<Pitfall>) {
    let cookie = "__Host-token=".len() + token.text.len();
    if cookie > COOKIE_BYTES {
        push(
            found,
            Weight::Warning,
            format!(
                "{cookie} bytes as a cookie: browsers keep {COOKIE_BYTES} (RFC 6265 section 6.1)"
            ),
        );
    }
    if token.bearer_line_bytes() > HEADERS_BYTES {
        push(
            found,
            Weight::Warning,
            format!(
                "{} bytes as a header line: many servers read {HEADERS_BYTES} of all lines",
                token.bearer_line_bytes()
            ),
        );
    }
    if token.kind == Kind::Opaque && token.text.len() < 22 {
        push(
            found,
            Weight::Warning,
            "an id of fewer than 22 base64 digits is shorter than 128 bits: it may be guessed",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::token;
    use super::*;

    fn said(header: &str, claims: &str) -> String {
        let text = token(header, claims);
        let all = pitfalls(&Token::read(&text).unwrap(), 1_000.0);
        all.into_iter().map(|p| format!("{}: {}\n", p.weight.name(), p.what)).collect()
    }

    const GOOD: &str = r#"{"iss":"i","sub":"s","aud":"a","jti":"j","iat":900,"exp":1800}"#;
    const SOUND: &str = r#"{"alg":"ES256","kid":"k","typ":"at+jwt"}"#;

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        let claims = GOOD.replace("{\"iss\"", "{\"\\u001b]0;x\": \"a@b.c\", \"iss\"");
        let found = said(SOUND, &claims);
        assert!(found.contains("\\u{1b}]0;x") && !found.contains('\u{1b}'), "{found}");
    }

    #[test]
    fn a_sound_token_shows_nothing() {
        assert_eq!(said(SOUND, GOOD), "");
    }

    #[test]
    fn each_pitfall_is_seen() {
        let with = |extra: &str| GOOD.replace("{\"iss\"", &format!("{{{extra},\"iss\""));
        for (header, claims, what) in [
            (r#"{"alg":"none","kid":"k","typ":"JWT"}"#, GOOD.to_owned(), "danger: `alg` is none"),
            (r#"{"alg":"HS256","kid":"k","typ":"JWT"}"#, GOOD.to_owned(), "also forge"),
            (
                r#"{"alg":"ES256","kid":"k","typ":"JWT","jku":"x"}"#,
                GOOD.to_owned(),
                "danger: `jku`",
            ),
            (r#"{"alg":"ES256","typ":"JWT"}"#, GOOD.to_owned(), "no `kid`"),
            (SOUND, GOOD.replace(",\"exp\":1800", ""), "danger: no `exp`"),
            (SOUND, GOOD.replace("1800", "\"1800\""), "`exp` is no number"),
            (SOUND, GOOD.replace("1800", "990"), "has expired"),
            (SOUND, GOOD.replace("1800", "9000"), "lives 2.2 hours"),
            (SOUND, GOOD.replace("1800", "900000"), "danger: it lives 10.4 days"),
            (
                SOUND,
                GOOD.replace("\"iat\":900,\"exp\":1800", "\"exp\":865000"),
                "it lives 10.0 days",
            ),
            (SOUND, GOOD.replace("1800", "1800000000000"), "danger: `exp` is in milliseconds"),
            (SOUND, GOOD.replace("\"jti\":\"j\",", ""), "no `jti`"),
            (SOUND, with(r#""email":"x""#), "`email`: personal"),
            (SOUND, with(r#""login":"ada@example.org""#), "`login`: personal"),
            (SOUND, with(r#""password":"x""#), "danger: `password`"),
            (SOUND, with(&format!(r#""roles":"{}""#, "r".repeat(4_000))), "as a cookie"),
            (SOUND, with(&format!(r#""roles":"{}""#, "r".repeat(7_000))), "as a header line"),
        ] {
            let found = said(header, &claims);
            assert!(found.contains(what), "{header} {claims:.80}: {what}: {found}");
        }
    }
}
