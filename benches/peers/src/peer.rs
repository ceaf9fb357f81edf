//! What a JWT crate must do to be timed here, and the two subjects that are made of it.

use std::sync::Arc;

use anyhow::{Context as _, ensure};
use authbench::identity::UnixTime;
use authbench::settings::Settings;
use authbench::token::NewToken;
use authbench::token::key::{Algorithm, Key};
use authbench_subjects::bed::{Bed, CREDENTIALS, Scheme};
use authbench_subjects::subject::{Name, Subject, repeat};

use crate::claims::Claims;
use crate::forge::forged;
use crate::ours::{self, Ours, new_token};

/// A JWT crate, used the way its documentation shows, with keys parsed once and held by `kid`.
pub trait Peer: Sized + Send + Sync + 'static {
    /// The crate's name.
    const NAME: &'static str;

    /// What names need to say beside the algorithm: another backend than the crate's default.
    #[must_use]
    fn backend(_algorithm: Algorithm) -> Option<&'static str> {
        None
    }

    /// Parses `keys`, all of `algorithm`: the first signs, all verify.
    ///
    /// # Errors
    /// The crate does not take the keys, or does not know the algorithm.
    fn new(algorithm: Algorithm, keys: &[&Key], settings: &Settings) -> anyhow::Result<Self>;

    /// The crate alone: its signature check, and every check of header and claims that it offers
    /// for what we ask.
    ///
    /// # Errors
    /// The crate refuses the token.
    fn read(&self, token: &str) -> anyhow::Result<Claims>;

    /// What the crate does not check of what we ask.
    ///
    /// # Errors
    /// The token is refused after all.
    fn check_the_rest(&self, claims: &Claims, now: UnixTime) -> anyhow::Result<()>;

    /// Verifies a token: what is timed.
    ///
    /// # Errors
    /// The token is refused.
    fn verify(&self, token: &str, now: UnixTime) -> anyhow::Result<Claims> {
        let claims = self.read(token)?;
        self.check_the_rest(&claims, now)?;
        Ok(claims)
    }

    /// Signs a token that lives for the settings' lifetime.
    ///
    /// # Errors
    /// The crate fails to sign.
    fn issue(&self, token: &NewToken, now: UnixTime) -> anyhow::Result<String>;
}

/// The algorithms of the comparison.
pub const ALGORITHMS: [Algorithm; 4] = Algorithm::REGISTERED;

/// The subjects of one peer.
#[must_use]
pub fn subjects<P: Peer>() -> Vec<Subject> {
    let each = ALGORITHMS.into_iter().flat_map(|algorithm| {
        [
            Subject::new(name::<P>("verify", algorithm), move |bed| {
                let ready = Ready::<P>::new(bed, algorithm)?;
                let now = bed.now;
                let wallet = ready.wallet;
                let peer = ready.peer;
                Ok(repeat(move |i| {
                    let (token, subject) = &wallet[(i % CREDENTIALS) as usize];
                    let claims = peer.verify(token, now)?;
                    ensure!(claims.sub == *subject, "it authenticated somebody else");
                    Ok(())
                }))
            })
            .against(&ours::name("verify", algorithm)),
            Subject::new(name::<P>("issue", algorithm), move |bed| {
                let ready = Ready::<P>::new(bed, algorithm)?;
                let now = bed.now;
                let peer = ready.peer;
                Ok(repeat(move |i| {
                    let token = peer.issue(&new_token(i % CREDENTIALS, now), now)?;
                    ensure!(!token.is_empty(), "it issued nothing");
                    Ok(())
                }))
            })
            .against(&ours::name("issue", algorithm)),
        ]
    });
    each.collect()
}

fn name<P: Peer>(operation: &'static str, algorithm: Algorithm) -> Name {
    let name =
        Name::new(operation, P::NAME).with("alg", algorithm.name()).with("claims", "typical");
    match P::backend(algorithm) {
        Some(backend) => name.with("backend", backend),
        None => name,
    }
}

/// A peer that has shown that its yes and its no are ours.
#[derive(Debug)]
pub struct Ready<P> {
    /// The peer.
    pub peer: P,
    /// Our tokens, and the subject of each.
    pub wallet: Vec<(String, String)>,
}

impl<P: Peer> Ready<P> {
    /// Sets a peer up. It must accept all of our tokens and say of each what we say, we must accept
    /// its tokens, and it must refuse whatever [`forged`] makes.
    ///
    /// # Errors
    /// When the peer fails at any of these.
    pub fn new(bed: &Arc<Bed>, algorithm: Algorithm) -> anyhow::Result<Self> {
        let deps = bed.deps(Scheme::of(algorithm))?;
        let keys = deps.keys.of(algorithm).map_err(|e| anyhow::anyhow!("{e}"))?;
        let ours = Ours::new(algorithm, &deps)?;
        let peer = P::new(algorithm, &keys, &deps.settings)?;
        let mut wallet = Vec::new();
        for i in 0..CREDENTIALS {
            let new = new_token(i, bed.now);
            let token = ours.issue(&new, bed.now)?;
            let claims = peer
                .verify(&token, bed.now)
                .with_context(|| format!("{} refuses a token of ours", P::NAME))?;
            ensure!(claims == ours::claims(&new, &deps.settings, bed.now), "it reads other claims");
            wallet.push((token, claims.sub));
        }
        for i in 0..8 {
            let new = new_token(i, bed.now);
            let said = ours
                .verify(&peer.issue(&new, bed.now)?, bed.now)
                .with_context(|| format!("a token of {} is refused by ours", P::NAME))?;
            ensure!(said.principal == new.principal && said.id == new.id, "it issued other claims");
        }
        for forgery in forged(algorithm, &keys, &wallet[0].0, bed.now)? {
            let refused = peer.verify(&forgery.token, bed.now).is_err();
            ensure!(refused, "{} accepts a token that is {}", P::NAME, forgery.what);
        }
        Ok(Self { peer, wallet })
    }
}
