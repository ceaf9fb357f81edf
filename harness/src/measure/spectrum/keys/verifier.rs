//! A verifier that fetches the key set when it meets a `kid` it does not know.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::Poll;

use anyhow::{Context as _, ensure};
use authbench::error::Denial;
use authbench::identity::UnixTime;
use authbench::settings::Settings;
use authbench::token::algorithm::Es256;
use authbench::token::jwks::{MAX_BYTES, PublicVerifier, parse};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::COOLDOWN_NS;
use super::issuer::PATH;

/// When an unknown `kid` leads to a fetch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FetchPolicy {
    /// Always.
    Naive,
    /// Unless one is under way: then its result is waited for.
    SingleFlight,
    /// Nor within [`COOLDOWN_NS`] after the last one.
    Cooldown,
}

impl FetchPolicy {
    /// Every policy.
    pub const ALL: [Self; 3] = [Self::Naive, Self::SingleFlight, Self::Cooldown];

    /// The name in records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Naive => "naive",
            Self::SingleFlight => "single-flight",
            Self::Cooldown => "cooldown",
        }
    }
}

/// What is known of the issuer's keys.
#[derive(Clone, Debug)]
struct Known {
    keys: Arc<PublicVerifier<Es256>>,
    /// Counts the fetches that have ended.
    generation: u64,
}

/// The verifier.
#[derive(Debug)]
pub(super) struct Verifier {
    policy: FetchPolicy,
    issuer: SocketAddr,
    settings: Settings,
    known: RwLock<Known>,
    /// Held while fetching; when the last fetch began, on the experiment's clock.
    flight: tokio::sync::Mutex<u64>,
}

impl Verifier {
    /// One that has fetched the keys once, at time zero.
    pub(super) async fn start(
        policy: FetchPolicy,
        issuer: SocketAddr,
        settings: &Settings,
    ) -> anyhow::Result<Self> {
        let keys = Arc::new(PublicVerifier::new(&parse(&fetch(issuer).await?)?, settings)?);
        Ok(Self {
            policy,
            issuer,
            settings: settings.clone(),
            known: RwLock::new(Known { keys, generation: 0 }),
            flight: tokio::sync::Mutex::new(0),
        })
    }

    /// Whether `token` is admitted.
    pub(super) async fn verify(
        &self,
        token: &str,
        now: UnixTime,
        now_ns: u64,
    ) -> anyhow::Result<bool> {
        let known = self.known();
        match known.keys.verify(token, now) {
            Err(Denial::UnknownKey) if self.refresh(known.generation, now_ns).await? => {
                Ok(self.known().keys.verify(token, now).is_ok())
            }
            other => Ok(other.is_ok()),
        }
    }

    fn known(&self) -> Known {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the keys are newer than `seen` now; fetches them if the policy lets it.
    async fn refresh(&self, seen: u64, now_ns: u64) -> anyhow::Result<bool> {
        if self.policy == FetchPolicy::Naive {
            self.replace(&fetch(self.issuer).await?)?;
            return Ok(true);
        }
        let mut last_ns = self.flight.lock().await;
        if self.known().generation > seen {
            return Ok(true);
        }
        if self.policy == FetchPolicy::Cooldown && now_ns < *last_ns + COOLDOWN_NS {
            return Ok(false);
        }
        *last_ns = now_ns;
        self.replace(&fetch(self.issuer).await?)?;
        Ok(true)
    }

    fn replace(&self, document: &[u8]) -> anyhow::Result<()> {
        let keys = Arc::new(PublicVerifier::new(&parse(document)?, &self.settings)?);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        *known = Known { keys, generation: known.generation + 1 };
        drop(known);
        Ok(())
    }
}

/// The key set, over a connection of its own.
async fn fetch(issuer: SocketAddr) -> anyhow::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(issuer).await.context("the issuer is not reached")?;
    let request = format!("GET {PATH} HTTP/1.1\r\nHost: {issuer}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(2 * MAX_BYTES as u64).read_to_end(&mut answer).await?;
    ensure!(answer.starts_with(b"HTTP/1.1 200 "), "the issuer did not serve its keys");
    let head_end = answer.windows(4).position(|w| w == b"\r\n\r\n").context("no whole answer")?;
    Ok(answer.split_off(head_end + 4))
}

/// Runs `futures` at once, within one task: each has gone as far as it can before any of them
/// hears from the network, so that who shares a fetch with whom does not depend on the machine.
pub(super) async fn all<T, F: Future<Output = T>>(futures: impl Iterator<Item = F>) -> Vec<T> {
    let mut running: Vec<Pin<Box<F>>> = futures.map(Box::pin).collect();
    let mut done: Vec<Option<T>> = running.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (future, done) in running.iter_mut().zip(&mut done) {
            if done.is_none()
                && let Poll::Ready(value) = future.as_mut().poll(context)
            {
                *done = Some(value);
            }
        }
        if done.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}
