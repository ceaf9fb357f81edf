//! Tokens that two parsers might read differently: most of them signed with a live key, because
//! behind a bad signature no difference shows.

use authbench::identity::UnixTime;
use rand::RngExt;
use rand::seq::{IndexedRandom, SliceRandom};
use rand_pcg::Pcg64Mcg;

use crate::support::{Forge, encode};

/// JSON texts that some reader somewhere takes for something else.
const ODD_VALUES: [&str; 22] = [
    "null",
    "true",
    "{}",
    "[]",
    "[7]",
    "[[]]",
    "7",
    "-1",
    "-0",
    "1.0",
    "1e3",
    "1e400",
    "0",
    r#""""#,
    r#""x""#,
    r#""\ud800""#,
    r#""\u0000""#,
    r#""é""#,
    r#"[null]"#,
    "18446744073709551615",
    "18446744073709551616",
    "NaN",
];

/// Members that are not read, well-formed or not.
const EXTRAS: [&str; 12] = [
    r#""x":1"#,
    r#""x":{"a":[1,2,{"b":null}]}"#,
    r#""x":"\u00e9\n""#,
    r#""x":"\ud83d\ude00""#,
    r#""x":"\ud83d""#,
    r#""x":1e400"#,
    r#""x":-1.5e-7"#,
    r#""":"""#,
    r#""x":1,"x":2"#,
    r#""EXP":1"#,
    r#""x":[1,]"#,
    r#""x":01"#,
];

/// Members of a header that mean something to somebody.
const HEADER_EXTRAS: [&str; 18] = [
    r#""crit":null"#,
    r#""crit":[]"#,
    r#""crit":["exp"]"#,
    r#""crit":7"#,
    r#""jku":"https://e.example""#,
    r#""jwk":{"kty":"oct","k":"AA"}"#,
    r#""jwk":null"#,
    r#""x5u":null"#,
    r#""x5c":["AA"]"#,
    r#""x5t":"AA""#,
    r#""x5t#S256":7"#,
    r#""enc":"A128GCM""#,
    r#""zip":"DEF""#,
    r#""cty":"JWT""#,
    r#""url":"x""#,
    r#""url":7"#,
    r#""nonce":null"#,
    r#""nonce":{}"#,
];

const TYPES: [&str; 8] = [
    r#""at+jwt""#,
    r#""AT+jwt""#,
    r#""application/at+jwt""#,
    r#""APPLICATION/at+JWT""#,
    r#""at\u002bjwt""#,
    r#""JWT""#,
    r#""at+jwt ""#,
    r#""application/""#,
];

const ALGORITHMS: [&str; 9] = [
    r#""HS256""#,
    r#""HS\u003256""#,
    r#""none""#,
    r#""hs256""#,
    r#""HS384""#,
    r#""HS512""#,
    r#""RS256""#,
    r#""EdDSA""#,
    r#""HS256 ""#,
];

/// Draws tokens for the servers whose keys `forge` holds.
pub(crate) struct Generator<'f> {
    rng: Pcg64Mcg,
    forge: &'f Forge,
    now: u64,
    leeway: u64,
}

impl<'f> Generator<'f> {
    pub(crate) const fn new(rng: Pcg64Mcg, forge: &'f Forge, now: UnixTime, leeway: u64) -> Self {
        Self { rng, forge, now: now.0, leeway }
    }

    /// One more token.
    pub(crate) fn token(&mut self) -> String {
        let place = self.rng.random_range(0..2);
        let header = match self.rng.random_ratio(1, 2) {
            true => self.forge.header(place).into_bytes(),
            false => self.header(place),
        };
        let payload = self.payload();
        let (header, payload) = (self.segment(&header), self.segment(&payload));
        let signing_key = if self.rng.random_ratio(1, 40) { 1 - place } else { place };
        let signing_input = format!("{header}.{payload}");
        let mac = self.forge.mac(signing_key, &signing_input);
        let token = format!("{signing_input}.{mac}");
        if self.rng.random_ratio(1, 8) { self.tampered(&token) } else { token }
    }

    fn one_in(&mut self, n: u32) -> bool {
        self.rng.random_ratio(1, n)
    }

    fn pick<'a>(&mut self, among: &[&'a str]) -> &'a str {
        among.choose(&mut self.rng).expect("not empty")
    }

    fn header(&mut self, place: usize) -> Vec<u8> {
        let typ = if self.one_in(4) { self.pick(&TYPES) } else { r#""at+jwt""# };
        let alg = if self.one_in(8) { self.pick(&ALGORITHMS) } else { r#""HS256""# };
        let kid = match self.rng.random_range(0..24) {
            0 => r#""hs256-retired""#.to_owned(),
            1 => r#""../../dev/null""#.to_owned(),
            2 => self.text("rs256-current"),
            _ => self.text(self.forge.kid(place)),
        };
        let mut members =
            vec![format!(r#""typ":{typ}"#), format!(r#""alg":{alg}"#), format!(r#""kid":{kid}"#)];
        if self.one_in(10) {
            members.push(self.pick(&HEADER_EXTRAS).to_owned());
        }
        self.object(members)
    }

    fn payload(&mut self) -> Vec<u8> {
        let (iat, exp) = (self.issued_at(), self.expires_at());
        let jti: [u8; 16] = self.rng.random();
        let subject = format!("u-{:016x}", self.rng.random::<u64>());
        let mut members = vec![
            format!(r#""iss":{}"#, self.issuer()),
            format!(r#""sub":{}"#, self.text(&subject)),
            format!(r#""aud":{}"#, self.audience()),
            format!(r#""exp":{exp}"#),
            format!(r#""iat":{iat}"#),
            format!(r#""auth_time":{iat}"#),
            format!(r#""jti":{}"#, self.text(&encode(jti))),
            format!(r#""scope":{}"#, self.scope()),
            format!(r#""tenant":{}"#, self.text("t-0000002a")),
        ];
        if self.one_in(4) {
            let ver: u64 = self.rng.random();
            members.push(format!(r#""ver":{ver}"#));
        }
        if self.one_in(4) {
            // One in twenty of another length.
            let sid: [u8; 16] = self.rng.random();
            let text = encode(&sid[self.rng.random_range(0..20) / 19..]);
            members.push(format!(r#""sid":{}"#, self.text(&text)));
        }
        if self.one_in(4) {
            let nbf = self.around(self.now + self.leeway);
            members.push(format!(r#""nbf":{nbf}"#));
        }
        self.object(members)
    }

    fn issuer(&mut self) -> String {
        let issuer = match self.rng.random_range(0..40) {
            0 => "https://id.exampl",
            1 => "https://id.example/",
            _ => "https://id.example",
        };
        self.text(issuer)
    }

    fn audience(&mut self) -> String {
        let ours = self.text("https://api.example");
        match self.rng.random_range(0..60) {
            0 => format!("[{ours},{ours}]"),
            1 => format!(r#"["other",{ours}]"#),
            2 => r#"["other"]"#.to_owned(),
            3 => "[]".to_owned(),
            4 => format!("[{ours},7]"),
            5 => r#""other""#.to_owned(),
            6..12 => format!("[ {ours} ]"),
            _ => ours,
        }
    }

    fn scope(&mut self) -> String {
        match self.rng.random_range(0..60) {
            0 => r#""root""#.to_owned(),
            1 => r#""profile  admin""#.to_owned(),
            2 => r#""""#.to_owned(),
            _ => self.text("profile orders:read"),
        }
    }

    /// A second near `threshold`, on either side and upon it.
    fn around(&mut self, threshold: u64) -> u64 {
        threshold - 2 + self.rng.random_range(0..5)
    }

    fn issued_at(&mut self) -> u64 {
        match self.rng.random_range(0..12) {
            0 => self.around(self.now + self.leeway),
            _ => self.now - self.rng.random_range(0..900),
        }
    }

    fn expires_at(&mut self) -> u64 {
        match self.rng.random_range(0..20) {
            0 | 1 => self.around(self.now - self.leeway),
            2 => self.around(self.now + 3_600),
            // Expired by `now`, and not yet, just, or long ago by the system's clock.
            3 => self.now - self.rng.random_range(0..7_200),
            4 => *[0, 1, u64::MAX, u64::MAX - 1].choose(&mut self.rng).expect("not empty"),
            _ => self.now + self.rng.random_range(3..2_600),
        }
    }

    /// `text` as JSON, sometimes with characters escaped that need not be.
    fn text(&mut self, text: &str) -> String {
        if !self.one_in(16) {
            return format!(r#""{text}""#);
        }
        let escaped = |c: char, rng: &mut Pcg64Mcg| match (c, rng.random_range(0..4)) {
            ('/', 0) => r"\/".to_owned(),
            (c, 1) => format!(r"\u{:04x}", u32::from(c)),
            (c, _) => c.to_string(),
        };
        let body: String = text.chars().map(|c| escaped(c, &mut self.rng)).collect();
        format!(r#""{body}""#)
    }

    /// Members as an object: reordered, doubled, dropped, mistyped, spaced out, damaged - or not.
    fn object(&mut self, mut members: Vec<String>) -> Vec<u8> {
        if self.one_in(4) {
            members.shuffle(&mut self.rng);
        }
        let victim = self.rng.random_range(0..members.len());
        if self.one_in(100) {
            // A second spelling of a name is the same name.
            members[victim] = members[victim].replacen('e', r"\u0065", 1);
        }
        match self.rng.random_range(0..60) {
            0 => drop(members.remove(victim)),
            1 => members.push(members[victim].clone()),
            2 | 3 => {
                let name = members[victim].split(':').next().unwrap_or_default().to_owned();
                members[victim] = format!("{name}:{}", self.pick(&ODD_VALUES));
            }
            4..9 => members.insert(victim, self.pick(&EXTRAS).to_owned()),
            _ => {}
        }
        let (comma, open, close) = match self.rng.random_range(0..80) {
            0 => (",", "[", "]"),
            1 => (" ,\n", " {\t", " }\r\n"),
            2 => (",", "\u{feff}{", "}"),
            3 => (",", "{", "}{}"),
            4 => (",", "{", ",}"),
            _ => (",", "{", "}"),
        };
        let mut json = format!("{open}{}{close}", members.join(comma)).into_bytes();
        match self.rng.random_range(0..80) {
            // Any byte may become any other, UTF-8 or not, and is signed as it is.
            0..3 => {
                let place = self.rng.random_range(0..json.len());
                json[place] ^= 1 << self.rng.random_range(0..8);
            }
            3 => json.truncate(self.rng.random_range(0..json.len())),
            4 => {
                let depth = self.rng.random_range(120..140);
                let deep = format!(r#","x":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
                json.truncate(json.len() - 1);
                json.extend(deep.into_bytes());
            }
            // Not UTF-8, where nobody needs to look.
            5 => {
                json.truncate(json.len() - 1);
                json.extend(b",\"x\":\"\xff\"}");
            }
            _ => {}
        }
        json
    }

    /// The base64url of `bytes`, now and then not quite, before it is signed.
    fn segment(&mut self, bytes: &[u8]) -> String {
        let mut text = encode(bytes);
        match self.rng.random_range(0..150) {
            0 => text.push('='),
            1 => text.push('A'),
            2 => text.truncate(text.len().saturating_sub(1)),
            // The bits that the last character has to spare.
            3 if !text.is_empty() => {
                let last = text.pop().map_or('A', |c| char::from((c as u8).saturating_add(1)));
                text.push(if last.is_ascii_alphanumeric() { last } else { 'B' });
            }
            4 => text = text.replacen(['-', '_', 'a'], "+", 1),
            5 => text.insert(text.len() / 2, ' '),
            6 => text.push('é'),
            _ => {}
        }
        text
    }

    /// The token, damaged after it was signed.
    fn tampered(&mut self, token: &str) -> String {
        let mut segments: Vec<&str> = token.split('.').collect();
        match self.rng.random_range(0..8) {
            0 => token[..floor(token, self.rng.random_range(0..token.len()))].to_owned(),
            1 => format!("{token}{}", self.pick(&["=", ".", "A", " ", "\n", ".e30", "\0"])),
            2 => {
                let (a, b) = (self.rng.random_range(0..3), self.rng.random_range(0..3));
                segments.swap(a, b);
                segments.join(".")
            }
            3 => {
                let place = self.rng.random_range(0..3);
                segments[place] = self.pick(&["", "e30", "A", "AAAA", "=", "é"]);
                segments.join(".")
            }
            4 => token.replacen(['A', 'b', '3'], "B", 1),
            5 => token.repeat(self.rng.random_range(2..24)),
            _ => {
                let mut bytes = token.as_bytes().to_vec();
                let place = self.rng.random_range(0..bytes.len());
                bytes[place] ^= 1 << self.rng.random_range(0..7);
                String::from_utf8(bytes).unwrap_or_else(|_| token.to_owned())
            }
        }
    }
}

/// The nearest character boundary at or before `place`.
fn floor(text: &str, place: usize) -> usize {
    (0..=place).rev().find(|&p| text.is_char_boundary(p)).unwrap_or(0)
}
