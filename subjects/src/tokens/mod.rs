//! Tokens: verification and issuing by algorithm, claims and crypto backend, the parts of one
//! verification, and what a forged credential costs.

pub mod issue;
pub mod parts;
pub mod plain;
pub mod provider;
pub mod reject;
pub mod ring_key;
pub mod sum;
pub mod verify;

use authbench::token::key::Algorithm;

use crate::bed::Scheme;

/// Every algorithm and key length that is compared, by kind and from the shortest signature to the
/// longest.
pub const SCHEMES: [Scheme; 10] = [
    Scheme::of(Algorithm::Hs256),
    Scheme::of(Algorithm::Hs384),
    Scheme::of(Algorithm::Hs512),
    Scheme::of(Algorithm::EdDsa),
    Scheme::of(Algorithm::Es256),
    Scheme::of(Algorithm::Es384),
    Scheme::of(Algorithm::Rs256),
    Scheme::of(Algorithm::Ps256),
    Scheme::rs256(3_072),
    Scheme::rs256(4_096),
];

/// The schemes that every backend is compared with: those of the registered strategies.
#[must_use]
pub fn in_every_backend() -> Vec<Scheme> {
    Algorithm::REGISTERED.map(Scheme::of).to_vec()
}

/// Runs `$body` with the type `$pinned` standing for the algorithm `$algorithm`.
macro_rules! with_pinned {
    ($algorithm:expr, $pinned:ident => $body:expr) => {{
        use authbench::token::{algorithm, key::Algorithm};
        macro_rules! arm {
            ($name:ident) => {{
                type $pinned = algorithm::$name;
                $body
            }};
        }
        match $algorithm {
            Algorithm::Hs256 => arm!(Hs256),
            Algorithm::Hs384 => arm!(Hs384),
            Algorithm::Hs512 => arm!(Hs512),
            Algorithm::EdDsa => arm!(EdDsa),
            Algorithm::Es256 => arm!(Es256),
            Algorithm::Es384 => arm!(Es384),
            Algorithm::Rs256 => arm!(Rs256),
            Algorithm::Ps256 => arm!(Ps256),
        }
    }};
}
pub(crate) use with_pinned;
