//! Every peer accepts ours and refuses the forged; what it does so alone is as its row says.
//!
//! Not among the workspace's tests: the peers' dependencies take longer to build than all of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use authbench::token::key::Algorithm;
use authbench_peers::forge::forged;
use authbench_peers::jwt_simple::JwtSimple;
use authbench_peers::list;
use authbench_peers::oxitoken::Oxitoken;
use authbench_peers::peer::{ALGORITHMS, Peer, Ready};
use authbench_subjects::bed::{Bed, Scheme};

/// What the crate accepts with every check of its own switched on, and our glue alone refuses.
fn accepted_alone<P: Peer>() -> BTreeSet<&'static str> {
    let bed = Bed::without_redis().unwrap();
    ALGORITHMS.into_iter().flat_map(|algorithm| accepted::<P>(&bed, algorithm)).collect()
}

fn accepted<P: Peer>(bed: &Arc<Bed>, algorithm: Algorithm) -> Vec<&'static str> {
    let ready = Ready::<P>::new(bed, algorithm).unwrap();
    let deps = bed.deps(Scheme::of(algorithm)).unwrap();
    let keys = deps.keys.of(algorithm).unwrap();
    let forgeries = forged(algorithm, &keys, &ready.wallet[0].0, bed.now).unwrap();
    let accepted = forgeries.into_iter().filter(|forgery| ready.peer.read(&forgery.token).is_ok());
    accepted.map(|forgery| forgery.what).collect()
}

#[test]
fn jwt_simple_accepts_ours_and_refuses_the_forged() {
    // Alone it lets a token live through its last second, if that second lasts until here.
    let mut alone = accepted_alone::<JwtSimple>();
    alone.remove("expired in this very second");
    assert!(alone.is_empty(), "{alone:?}");
}

#[cfg(feature = "openssl")]
#[test]
fn josekit_accepts_ours_and_refuses_the_forged() {
    let alone = accepted_alone::<authbench_peers::josekit::Josekit>();
    assert!(alone.is_empty(), "{alone:?}");
}

#[test]
fn oxitoken_accepts_ours_and_refuses_the_forged() {
    let alone = accepted_alone::<Oxitoken>();
    assert!(alone.is_empty(), "{alone:?}");
}

/// Why our options say what they say: the defaults are not what we ask.
#[test]
fn jwt_simple_by_default_lets_tokens_live_a_quarter_of_an_hour_longer() {
    use jwt_simple::prelude::{
        Claims, Duration, HS256Key, MACLike as _, NoCustomClaims, VerificationOptions,
    };
    let key = HS256Key::generate();
    let mut claims = Claims::create(Duration::from_secs(60));
    claims.expires_at = claims.issued_at.map(|now| now - Duration::from_secs(600));
    let token = key.authenticate(claims).unwrap();
    assert!(key.verify_token::<NoCustomClaims>(&token, None).is_ok());
    let strict = VerificationOptions {
        time_tolerance: Some(Duration::from_secs(0)),
        ..VerificationOptions::default()
    };
    assert!(key.verify_token::<NoCustomClaims>(&token, Some(strict)).is_err());
}

/// Why its row needs the struct: what is absent passes its validator.
#[cfg(feature = "openssl")]
#[test]
fn josekits_validator_passes_a_payload_without_aud_and_exp_but_not_without_iss() {
    use josekit::jwt::{JwtPayload, JwtPayloadValidator};
    let mut payload = JwtPayload::new();
    let mut validator = JwtPayloadValidator::new();
    validator.set_audience("https://api.example");
    assert!(validator.validate(&payload).is_ok());
    validator.set_issuer("https://id.example");
    assert!(validator.validate(&payload).is_err());
    payload.set_issuer("https://id.example");
    assert!(validator.validate(&payload).is_ok());
}

#[test]
fn every_subject_has_its_reference_and_can_be_timed() {
    let bed = Bed::with_redis().unwrap();
    if let Err(why) = &bed.redis {
        println!("skipped: the lookups: {why}");
    }
    let subjects = list::subjects("", &bed);
    let peers = subjects.iter().filter(|subject| subject.reference.is_some()).count();
    let cells = list::time(&bed, subjects, std::time::Duration::from_millis(1)).unwrap();
    assert_eq!(cells.len(), peers);
    assert!(cells.iter().all(|cell| cell.iterations.len() == cell.reference_cpu_ns.len()));
}
