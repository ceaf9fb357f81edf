//! What is issued, what is accepted, and the reason each attack is refused for.

use std::sync::Arc;

use authbench::credential::Credential;
use authbench::entropy::OsEntropy;
use authbench::error::{BuildError, Denial};
use authbench::identity::{SubjectId, UnixTime};
use authbench::settings::Settings;
use authbench::strategy::StrategyKind;
use authbench::strategy::contract::{AuthStrategy, Deps, Revocation, Visitor};
use authbench::token::AccessTokens;
use authbench::token::algorithm::{EdDsa, Es256, Es384, Hs256, Hs384, Hs512, Ps256, Rs256};
use authbench::token::key::{Algorithm, Key, Keyring, generate_key};
use authbench::token::library::Library;
use authbench::token::prepared::{AwsLc, Prepared};
use serde_json::{Value, json};

use crate::support::{Forge, decode, deps, deps_with, encode, new_token, test_time};

/// A server, a forge with its keys, and the time.
struct Scene<T> {
    tokens: T,
    forge: Forge,
    now: UnixTime,
}

impl<T: AccessTokens> Scene<T> {
    fn new(settings: Settings) -> Self {
        let deps = deps_with(settings);
        let tokens = T::build(&deps).expect("fresh keys and good settings");
        Self { tokens, forge: Forge::new(&deps), now: test_time() }
    }

    fn issued(&self) -> String {
        let grant = self.tokens.issue(&new_token(1, self.now), self.now).expect("keys can sign");
        grant.access.expose().to_owned()
    }

    /// The claims of an issued token, changed by `change`, signed again.
    fn with_claims(&self, change: impl FnOnce(&mut Value)) -> String {
        let issued = self.issued();
        let payload = issued.split('.').nth(1).expect("three segments");
        let mut claims = serde_json::from_slice(&decode(payload)).expect("JSON");
        change(&mut claims);
        self.forge.sign(0, self.forge.header(0).as_bytes(), claims.to_string().as_bytes())
    }

    /// An issued token under another header, signed with the first key.
    fn with_header(&self, header: &str) -> String {
        let issued = self.issued();
        let payload = issued.split('.').nth(1).expect("three segments");
        self.forge.sign(0, header.as_bytes(), &decode(payload))
    }

    fn verdict(&self, token: &str) -> Result<SubjectId, Denial> {
        self.tokens.verify(token, self.now).map(|v| v.principal.subject)
    }
}

const ACCEPTED: Result<SubjectId, Denial> = Ok(SubjectId(1));

/// Runs `check` for every HS256 verifier: they must not differ.
macro_rules! for_each_hs256 {
    ($($name:ident = $check:ident;)+) => {
        $(
            #[test]
            fn $name() {
                $check::<Library<Hs256>>();
                $check::<Prepared<AwsLc<Hs256>>>();
            }
        )+
    };
}

for_each_hs256! {
    headers_are_refused_for_their_reason = check_headers;
    claims_are_refused_for_their_reason = check_claims;
    shapes_are_refused = check_shapes;
    expiry_is_a_threshold_with_leeway = check_expiry;
    the_previous_key_verifies_until_it_is_removed = check_rotation;
}

fn check_headers<T: AccessTokens>() {
    let scene = Scene::<T>::new(Settings::default());
    let kid = scene.forge.kid(0).to_owned();
    let own = |rest: &str| format!(r#"{{"typ":"at+jwt","alg":"HS256","kid":"{kid}"{rest}}}"#);
    let typ = |typ: &str| format!(r#"{{"typ":{typ},"alg":"HS256","kid":"{kid}"}}"#);
    let alg = |alg: &str| format!(r#"{{"typ":"at+jwt","alg":{alg},"kid":"{kid}"}}"#);
    let named = |kid: &str| format!(r#"{{"typ":"at+jwt","alg":"HS256","kid":{kid}}}"#);
    let deep = format!(r#","x":{}1{}"#, "[".repeat(200), "]".repeat(200));
    let cases = [
        (own(""), ACCEPTED),
        (own(r#","x":[1,{"a":null}],"y":"\u00e9""#), ACCEPTED),
        (format!(r#" {{"kid":"{kid}" , "alg":"HS256","typ":"at+jwt"}}"#), ACCEPTED),
        (typ(r#""AT+JWT""#), ACCEPTED),
        (typ(r#""application/at+jwt""#), ACCEPTED),
        (typ(r#""Application/AT+JWT""#), ACCEPTED),
        (typ(r#""at\u002bjwt""#), ACCEPTED),
        (typ(r#""JWT""#), Err(Denial::WrongType)),
        (typ(r#""at+jwt; a=b""#), Err(Denial::WrongType)),
        (typ(r#""application/application/at+jwt""#), Err(Denial::WrongType)),
        (typ("null"), Err(Denial::Malformed)),
        (format!(r#"{{"alg":"HS256","kid":"{kid}"}}"#), Err(Denial::WrongType)),
        (own(r#","crit":["exp"]"#), Err(Denial::UnknownCritical)),
        (own(r#","crit":[]"#), Err(Denial::UnknownCritical)),
        (own(r#","crit":null"#), Err(Denial::UnknownCritical)),
        (own(r#","crit":["b64"],"b64":false"#), Err(Denial::UnknownCritical)),
        (alg(r#""none""#), Err(Denial::WrongAlgorithm)),
        (alg(r#""hs256""#), Err(Denial::WrongAlgorithm)),
        (alg(r#""HS512""#), Err(Denial::WrongAlgorithm)),
        (alg(r#""RS256""#), Err(Denial::WrongAlgorithm)),
        (alg(r#""""#), Err(Denial::WrongAlgorithm)),
        (alg("null"), Err(Denial::Malformed)),
        (alg(r#"["HS256"]"#), Err(Denial::Malformed)),
        (format!(r#"{{"typ":"at+jwt","kid":"{kid}"}}"#), Err(Denial::Malformed)),
        (named(r#""../../dev/null""#), Err(Denial::UnknownKey)),
        (named(r#""""#), Err(Denial::UnknownKey)),
        (r#"{"typ":"at+jwt","alg":"HS256"}"#.to_owned(), Err(Denial::UnknownKey)),
        (named("null"), Err(Denial::Malformed)),
        (named("[0]"), Err(Denial::Malformed)),
        (own(r#","alg":"HS256""#), Err(Denial::Malformed)),
        (own(r#","jwk":{"kty":"oct","k":"AA"}"#), Err(Denial::Malformed)),
        (own(r#","jku":"https://evil.example""#), Err(Denial::Malformed)),
        (own(r#","x5u":"https://evil.example""#), Err(Denial::Malformed)),
        (own(r#","x5c":[]"#), Err(Denial::Malformed)),
        (own(r#","zip":"DEF""#), Err(Denial::Malformed)),
        (own(r#","x":"\ud800""#), Err(Denial::Malformed)),
        (own(r#","x":1e400"#), Err(Denial::Malformed)),
        (own(&deep), Err(Denial::Malformed)),
        (format!(r#"["at+jwt","HS256","{kid}"]"#), Err(Denial::Malformed)),
        (own("") + "x", Err(Denial::Malformed)),
        ("\u{feff}".to_owned() + &own(""), Err(Denial::Malformed)),
        (String::new(), Err(Denial::Malformed)),
    ];
    for (header, expected) in cases {
        assert_eq!(scene.verdict(&scene.with_header(&header)), expected, "{header}");
    }
}

fn check_claims<T: AccessTokens>() {
    let scene = Scene::<T>::new(Settings::default());
    let now = scene.now.0;
    let cases = [
        ("unread", json!({"a": [1, "\u{1F600}", {"b": null}]}), ACCEPTED),
        ("ver", json!(7), ACCEPTED),
        ("ver", json!(null), Err(Denial::Malformed)),
        ("ver", json!(-1), Err(Denial::Malformed)),
        ("exp", json!(now), Err(Denial::Expired)),
        ("exp", json!(0), Err(Denial::Expired)),
        ("exp", json!(now + 1), ACCEPTED),
        ("exp", json!(u64::MAX), Err(Denial::LifetimeTooLong)),
        ("exp", json!(now + 3_601), Err(Denial::LifetimeTooLong)),
        ("exp", json!(now + 3_600), ACCEPTED),
        ("exp", json!("soon"), Err(Denial::Malformed)),
        ("exp", json!(-1), Err(Denial::Malformed)),
        ("exp", json!(1e30), Err(Denial::Malformed)),
        ("exp", json!(now as f64 + 60.0), Err(Denial::Malformed)),
        ("exp", json!(null), Err(Denial::Malformed)),
        ("nbf", json!(now), ACCEPTED),
        ("nbf", json!(now + 1), Err(Denial::NotYetValid)),
        ("nbf", json!("now"), Err(Denial::Malformed)),
        ("nbf", json!(null), Err(Denial::Malformed)),
        ("iat", json!(now + 1), Err(Denial::NotYetValid)),
        ("iat", json!(null), Err(Denial::Malformed)),
        ("iss", json!("https://id.exampl"), Err(Denial::WrongIssuer)),
        ("iss", json!(["https://id.example"]), Err(Denial::Malformed)),
        ("iss", json!(null), Err(Denial::Malformed)),
        ("aud", json!(["https://api.example"]), ACCEPTED),
        ("aud", json!("https://other.example"), Err(Denial::WrongAudience)),
        ("aud", json!(["other", "https://api.example"]), Err(Denial::WrongAudience)),
        ("aud", json!(["https://api.example", "https://api.example"]), Err(Denial::WrongAudience)),
        ("aud", json!([]), Err(Denial::WrongAudience)),
        ("aud", json!([7]), Err(Denial::Malformed)),
        ("aud", json!({}), Err(Denial::Malformed)),
        ("aud", json!(7), Err(Denial::Malformed)),
        ("sub", json!("admin"), Err(Denial::Malformed)),
        ("sub", json!(7), Err(Denial::Malformed)),
        ("jti", json!("short"), Err(Denial::Malformed)),
        ("jti", json!("AAAAAAAAAAAAAAAAAAAAAA"), ACCEPTED),
        // The same 16 bytes with unused bits set: a second spelling.
        ("jti", json!("AAAAAAAAAAAAAAAAAAAAAB"), Err(Denial::Malformed)),
        ("sid", json!("AAAAAAAAAAAAAAAAAAAAAA"), ACCEPTED),
        ("sid", json!("AAAAAAAAAAAAAAAAAAAAAB"), Err(Denial::Malformed)),
        ("sid", json!("short"), Err(Denial::Malformed)),
        ("sid", json!(null), Err(Denial::Malformed)),
        ("sid", json!(7), Err(Denial::Malformed)),
        ("scope", json!("profile root"), Err(Denial::Malformed)),
        ("tenant", json!("t-1"), Err(Denial::Malformed)),
        ("auth_time", json!("then"), Err(Denial::Malformed)),
    ];
    for (name, value, expected) in cases {
        let token = scene.with_claims(|claims| claims[name] = value.clone());
        assert_eq!(scene.verdict(&token), expected, "{name}: {value}");
    }
    for name in ["exp", "iat", "iss", "aud", "sub", "jti", "auth_time", "scope", "tenant"] {
        let token = scene.with_claims(|claims| drop(claims.as_object_mut().unwrap().remove(name)));
        assert_eq!(scene.verdict(&token), Err(Denial::Malformed), "without {name}");
    }
    // Two reasons at once: the policy's order decides, whatever looked first.
    let late_and_foreign = scene.with_claims(|claims| {
        claims["exp"] = json!(now - 10);
        claims["iss"] = json!("elsewhere");
        claims["jti"] = json!("bad");
    });
    assert_eq!(scene.verdict(&late_and_foreign), Err(Denial::Expired));
}

fn check_shapes<T: AccessTokens>() {
    let scene = Scene::<T>::new(Settings::default());
    let good = scene.issued();
    assert_eq!(scene.verdict(&good), ACCEPTED);
    let parts: Vec<&str> = good.split('.').collect();
    let [header, payload, signature] = parts[..] else { panic!("three segments") };
    let mut flipped = signature.to_owned();
    flipped.replace_range(..1, if signature.starts_with('A') { "B" } else { "A" });
    let json = |payload: &[u8]| scene.forge.sign(0, scene.forge.header(0).as_bytes(), payload);
    let claims = decode(payload);
    let twice = String::from_utf8(claims.clone()).unwrap().replace('}', r#","sub":"u-1"}"#);
    let unsound = [&claims[..claims.len() - 1], br#","x":""#, &[0xff], br#""}"#].concat();
    let cases = [
        (String::new(), Denial::Malformed),
        ("..".to_owned(), Denial::Malformed),
        (format!("{header}.{payload}"), Denial::Malformed),
        (format!("{header}.{payload}."), Denial::BadSignature),
        (format!("{good}."), Denial::Malformed),
        (format!("{good}.{payload}.x"), Denial::Malformed),
        (format!("{good}="), Denial::Malformed),
        (format!(" {good}"), Denial::Malformed),
        (format!("{good}\n"), Denial::Malformed),
        (format!("{header}.{payload}.{flipped}"), Denial::BadSignature),
        (format!("{header}.{payload}A.{signature}"), Denial::BadSignature),
        (format!("{header}.{payload}.{}", &signature[..40]), Denial::BadSignature),
        (format!("{header}.{}.{signature}", encode("{}")), Denial::BadSignature),
        (".".repeat(1_000), Denial::Malformed),
        ("a".repeat(1 << 20), Denial::Malformed),
        (json(b"[]"), Denial::Malformed),
        (json(b"{}"), Denial::Malformed),
        (json(b"7"), Denial::Malformed),
        (json(b""), Denial::Malformed),
        (json(&claims[1..]), Denial::Malformed),
        (json(&[claims.as_slice(), b"{}"].concat()), Denial::Malformed),
        (json(twice.as_bytes()), Denial::Malformed),
        (json(&unsound), Denial::Malformed),
    ];
    for (token, expected) in cases {
        assert_eq!(scene.verdict(&token), Err(expected), "{token}");
    }
    for (place, _) in good.char_indices() {
        let mut bytes = good.clone().into_bytes();
        bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
        let tampered = String::from_utf8(bytes).unwrap();
        assert!(scene.verdict(&tampered).is_err(), "changed at {place}");
    }
}

fn check_expiry<T: AccessTokens>() {
    for leeway_s in [0, 60] {
        let scene = Scene::<T>::new(Settings { leeway_s, ..Settings::default() });
        let token = scene.issued();
        let end = scene.now.0 + Settings::default().token_lifetime_s + leeway_s;
        let at = |t| scene.tokens.verify(&token, UnixTime(t)).map(|v| v.principal.subject);
        assert_eq!(at(end - 1), ACCEPTED, "leeway {leeway_s}");
        assert_eq!(at(end), Err(Denial::Expired), "leeway {leeway_s}");
        assert_eq!(at(u64::MAX), Err(Denial::Expired));
        assert_eq!(at(scene.now.0 - leeway_s), ACCEPTED, "leeway {leeway_s}");
        assert_eq!(at(scene.now.0 - leeway_s - 1), Err(Denial::NotYetValid));
    }
}

fn check_rotation<T: AccessTokens>() {
    let scene = Scene::<T>::new(Settings::default());
    let issued = scene.issued();
    let claims = decode(issued.split('.').nth(1).unwrap());
    let old = scene.forge.sign(1, scene.forge.header(1).as_bytes(), &claims);
    assert_eq!(scene.verdict(&old), ACCEPTED);
    // The right name over the wrong key.
    let crossed = scene.forge.sign(1, scene.forge.header(0).as_bytes(), &claims);
    assert_eq!(scene.verdict(&crossed), Err(Denial::BadSignature));
    let stranger = Scene::<T>::new(Settings::default());
    assert_eq!(stranger.verdict(&issued), Err(Denial::BadSignature));
}

/// Issue, verify, tamper, expire: for every algorithm.
fn check_round_trip<T: AccessTokens>() {
    let key = generate_key("one".into(), T::ALGORITHM, &OsEntropy).unwrap();
    let deps = Deps { keys: Arc::new(Keyring::new(vec![key])), ..deps_with(Settings::default()) };
    let tokens = T::build(&deps).unwrap();
    let now = test_time();
    for version in [None, Some(3)] {
        let session = version.map(|_| authbench::token::TokenId([9; 16]));
        let token = authbench::token::NewToken { version, session, ..new_token(42, now) };
        let grant = tokens.issue(&token, now).unwrap();
        let text = grant.access.expose();
        let header = String::from_utf8(decode(text.split('.').next().unwrap())).unwrap();
        let alg = T::ALGORITHM.name();
        let kid = &deps.keys.of(T::ALGORITHM).unwrap()[0].kid;
        assert_eq!(header, format!(r#"{{"typ":"at+jwt","alg":"{alg}","kid":"{kid}"}}"#));
        let claims = decode(text.split('.').nth(1).unwrap());
        assert!((200..=290).contains(&claims.len()), "{} bytes of claims", claims.len());
        let verified = tokens.verify(text, now).unwrap();
        assert_eq!(verified.principal, token.principal);
        let ids = (verified.id, verified.version, verified.session);
        assert_eq!(ids, (token.id, version, session));
        assert_eq!(verified.expires_at, grant.expires_at);
        assert_eq!(tokens.verify(text, grant.expires_at), Err(Denial::Expired));
        let tampered = text.replace(text.split('.').nth(1).unwrap(), &encode(b"{}"));
        assert_eq!(tokens.verify(&tampered, now), Err(Denial::BadSignature));
        println!("{alg}: {} bytes of claims, {} of token", claims.len(), text.len());
    }
}

#[test]
fn every_algorithm_issues_what_it_accepts() {
    macro_rules! both {
        ($($algorithm:ident)+) => {$(
            check_round_trip::<Library<$algorithm>>();
            check_round_trip::<Prepared<AwsLc<$algorithm>>>();
        )+};
    }
    both! { Hs256 Hs384 Hs512 EdDsa Es256 Es384 Rs256 Ps256 }
}

#[test]
fn keys_that_cannot_be_used_stop_the_start() {
    let config = |result: Result<Library<Hs256>, BuildError>| match result {
        Err(BuildError::Config(what)) => what,
        other => panic!("{other:?}"),
    };
    let with = |keys: Vec<Key>| Deps { keys: Arc::new(Keyring::new(keys)), ..deps() };
    let good = generate_key("k".into(), Algorithm::Hs256, &OsEntropy).unwrap();
    let short = Key { private: vec![1; 31], ..good.clone() };
    assert!(config(Library::build(&with(vec![short]))).contains("31 bytes"));
    assert!(config(Library::build(&with(vec![]))).contains("no HS256 key"));
    assert!(config(Library::build(&with(vec![good.clone(), good.clone()]))).contains("share"));
    let settings = Settings { leeway_s: 601, ..Settings::default() };
    assert!(config(Library::build(&deps_with(settings))).contains("leeway_s"));
    for algorithm in [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256] {
        let one = generate_key("a".into(), algorithm, &OsEntropy).unwrap();
        let other = generate_key("b".into(), algorithm, &OsEntropy).unwrap();
        for key in [
            Key { private: vec![0x30; 40], ..one.clone() },
            Key { public: vec![4; 65], ..one.clone() },
            Key { public: other.public, ..one.clone() },
        ] {
            let deps = with(vec![key]);
            let failed = match algorithm {
                Algorithm::EdDsa => Library::<EdDsa>::build(&deps).is_err(),
                Algorithm::Es256 => Library::<Es256>::build(&deps).is_err(),
                _ => Library::<Rs256>::build(&deps).is_err(),
            };
            assert!(failed, "{algorithm:?}");
        }
    }
}

/// What a stateless strategy does, met through the registry.
struct Stateless;

impl Visitor for Stateless {
    type Output = ();

    async fn visit<S: AuthStrategy>(self, kind: StrategyKind) {
        let strategy = S::build(&deps()).await.expect("no store is needed");
        let now = test_time();
        let grant = strategy.issue(SubjectId(9), now).await.unwrap();
        let again = strategy.issue(SubjectId(9), now).await.unwrap();
        assert_ne!(grant.access, again.access, "{}: each token has its own jti", kind.name());
        let credential = grant.access.as_credential();
        let principal = strategy.authenticate(credential, now).await.unwrap();
        assert_eq!(principal.subject, SubjectId(9));
        assert_eq!(strategy.revoke(credential, now).await.unwrap(), Revocation::AtExpiry);
        assert!(strategy.authenticate(credential, now).await.is_ok(), "it cannot be taken back");
        assert!(strategy.revoke(Credential::new("x"), now).await.is_err());
        assert!(strategy.refresh(credential, now).await.is_err());
    }
}

#[test]
fn stateless_tokens_say_that_they_live_until_they_expire() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let stateless = |kind: &&StrategyKind| {
        let properties = kind.properties();
        properties.algorithm.is_some() && !properties.needs_redis()
    };
    let kinds: Vec<_> = StrategyKind::ALL.iter().filter(stateless).collect();
    assert!(kinds.len() >= 5);
    for kind in kinds {
        runtime.block_on(kind.visit(Stateless));
    }
}
