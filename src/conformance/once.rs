//! Links: good once where that is declared, for one purpose, and replayable where nothing is kept.

use std::future::poll_fn;
use std::task::Poll;

use super::revocation::{REVOKED, log_out};
use super::{
    ALICE, BOB, Held, Outcome, Verdict, World, admitted, ask, build, ensure, log_in, refused,
};
use crate::credential::Credential;
use crate::error::{AuthError, Denial};
use crate::identity::Principal;
use crate::store::redis::sessions::RedisSessions;
use crate::store::{SessionKey, SessionRecord, SessionStore as _};
use crate::strategy::contract::{AuthStrategy, Family, Granularity, Properties, Uses};
use crate::token::algorithm::Hs256;
use crate::token::library::Library;
use crate::token::{AccessTokens as _, NewToken, TokenId};

const MANY: Held = Held::NotApplicable("its credential is good until it expires");
const NO_LINK: Held = Held::NotApplicable("its credential is not a link");

/// Presented at once.
pub(super) const AT_ONCE: usize = 50;
/// Credentials raced for.
pub(super) const RACES: usize = 10;

/// Whether using one credential ends every other of its subject.
pub(super) fn one_use_ends_all(properties: &Properties) -> bool {
    properties.uses == Uses::Once && properties.granularity == Granularity::Subject
}

/// Runs all of `futures` at once, on this task: each has begun before any goes on.
pub(super) async fn at_once<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let begin = |future| (Box::pin(future), None);
    let mut running: Vec<_> = futures.into_iter().map(begin).collect();
    poll_fn(|context| {
        let mut pending = false;
        for (future, output) in running.iter_mut().filter(|(_, output)| output.is_none()) {
            match future.as_mut().poll(context) {
                Poll::Ready(done) => *output = Some(done),
                Poll::Pending => pending = true,
            }
        }
        if pending { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    running.into_iter().filter_map(|(_, output)| output).collect()
}

/// A used link is refused, by the node that took it and by another, and cannot be cancelled.
pub(super) async fn a_link_is_used_up<S: AuthStrategy>(world: &World) -> Verdict {
    if S::PROPERTIES.uses != Uses::Once {
        return Ok(MANY);
    }
    let (here, there): (S, S) = (build(&world.deps).await?, build(&world.deps).await?);
    for (first, second) in [(&here, &here), (&here, &there), (&there, &here)] {
        let text = log_in(&here, ALICE, world.now).await?;
        admitted("the first use", first, &text, ALICE, world.now).await?;
        refused("the second use", second, &text, world.now, &[Denial::Unknown]).await?;
        let cancelled = second.revoke(Credential::new(&text), world.now).await;
        let is_denied = matches!(cancelled, Err(AuthError::Denied(_)));
        ensure!(is_denied, "a used link was cancelled: {cancelled:?}");
    }
    Ok(Held::Shown)
}

/// Fifty uses at once, over two nodes: one succeeds, and the rest are denied. Where a link is good
/// many times all of them succeed: the weakness that is declared is there.
pub(super) async fn fifty_uses_at_once_are_one<S: AuthStrategy>(world: &World) -> Verdict {
    if S::PROPERTIES.family != Family::Link {
        return Ok(NO_LINK);
    }
    let (here, there): (S, S) = (build(&world.deps).await?, build(&world.deps).await?);
    let expected = if S::PROPERTIES.uses == Uses::Once { 1 } else { AT_ONCE };
    for race in 0..RACES {
        let text = log_in(&here, ALICE, world.now).await?;
        let node = |n: usize| if n.is_multiple_of(2) { &here } else { &there };
        let all = at_once((0..AT_ONCE).map(|n| ask(node(n), &text, world.now))).await;
        let admitted = all.iter().filter(|o| matches!(o, Outcome::Admitted(_))).count();
        let denied = all.iter().filter(|o| matches!(o, Outcome::Denied(_))).count();
        ensure!(
            (admitted, denied) == (expected, AT_ONCE - expected),
            "race {race}: {admitted} of {AT_ONCE} uses at once succeeded, {denied} were denied"
        );
    }
    Ok(Held::Shown)
}

/// Using a link ends as much as cancelling it does: itself, or every link of its subject that was
/// made before, older or newer. One that is made afterwards is good.
pub(super) async fn a_use_ends_what_a_logout_would<S: AuthStrategy>(world: &World) -> Verdict {
    if S::PROPERTIES.uses != Uses::Once {
        return Ok(MANY);
    }
    let strategy: S = build(&world.deps).await?;
    for middle_is in ["used", "cancelled"] {
        let [older, middle, newer] = [
            log_in(&strategy, ALICE, world.now).await?,
            log_in(&strategy, ALICE, world.now).await?,
            log_in(&strategy, ALICE, world.now).await?,
        ];
        let bystander = log_in(&strategy, BOB, world.now).await?;
        match middle_is {
            "used" => admitted(middle_is, &strategy, &middle, ALICE, world.now).await?,
            _ => log_out(&strategy, &middle, world.now).await?,
        }
        for (what, text) in [("the older one", &older), ("the newer one", &newer)] {
            let what = format!("{what}, another {middle_is}");
            match S::PROPERTIES.granularity {
                Granularity::Subject => {
                    refused(&what, &strategy, text, world.now, REVOKED).await?;
                }
                Granularity::Credential | Granularity::Renewal | Granularity::Nothing => {
                    admitted(&what, &strategy, text, ALICE, world.now).await?;
                }
            }
        }
        admitted("another subject's", &strategy, &bystander, BOB, world.now).await?;
        let next = log_in(&strategy, ALICE, world.now).await?;
        admitted("one made afterwards", &strategy, &next, ALICE, world.now).await?;
    }
    Ok(Held::Shown)
}

/// What was made for another purpose with the same keys and the same store is no link, and a link
/// is none of it (RFC 8725 section 3.12).
pub(super) async fn another_purpose_is_refused<S: AuthStrategy>(world: &World) -> Verdict {
    if S::PROPERTIES.family != Family::Link {
        return Ok(NO_LINK);
    }
    let strategy: S = build(&world.deps).await?;
    let link = log_in(&strategy, ALICE, world.now).await?;
    let tokens = Library::<Hs256>::build(&world.deps).map_err(|e| e.to_string())?;
    let principal = Principal::of_test_subject(ALICE, world.now);
    let token = NewToken { principal, id: TokenId([7; 16]), version: None, session: None };
    let token = tokens.issue(&token, world.now).map_err(|e| e.to_string())?;
    tokens.verify(token.access.expose(), world.now).map_err(|e| e.to_string())?;
    refused("an access token", &strategy, token.access.expose(), world.now, &[]).await?;
    let as_token = tokens.verify(&link, world.now);
    ensure!(as_token.is_err(), "a link is an access token: {as_token:?}");
    if world.deps.redis.is_some() {
        let sessions = RedisSessions::open(&world.deps).await.map_err(|e| e.to_string())?;
        let ends_at = world.now.plus(60);
        let record = SessionRecord::at_login(principal, ends_at, ends_at);
        let id = "s".repeat(43);
        let key = SessionKey::of(&id);
        sessions.create(&key, &record, world.now).await.map_err(|e| e.to_string())?;
        refused("the id of a session", &strategy, &id, world.now, &[]).await?;
        let kept = sessions.load(&key).await.map_err(|e| e.to_string())?;
        ensure!(kept == Some(record), "presenting a session's id at a link changed the session");
        let as_session = sessions.load(&SessionKey::of(&link)).await.map_err(|e| e.to_string())?;
        ensure!(as_session.is_none(), "a link is the id of a session");
    }
    admitted("the link itself", &strategy, &link, ALICE, world.now).await?;
    Ok(Held::Shown)
}
