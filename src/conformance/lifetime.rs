//! Lifetimes: every deadline is a threshold in seconds, on the caller's clock.

use super::contents::age;
use super::login::FLOOR;
use super::{ALICE, Held, Verdict, World, admitted, build, ensure, log_in, refused};
use crate::error::Denial;
use crate::identity::UnixTime;
use crate::strategy::contract::{AuthStrategy, Deps, Family, Properties};

/// What an expired credential is turned away as: its store may have forgotten it.
const EXPIRED: &[Denial] = &[Denial::Expired, Denial::Unknown];

const NO_SESSION: Held = Held::NotApplicable("only sessions are prolonged by being used");

const fn is_token(properties: &Properties) -> bool {
    let is_token = matches!(properties.family, Family::Token | Family::TokenWithState);
    is_token || properties.algorithm.is_some()
}

/// `expires_at - 1` is admitted, `expires_at` is not. Each probe has a login of its own, because a
/// probe may prolong a session.
pub(super) async fn expiry_is_a_threshold<S: AuthStrategy>(world: &World) -> Verdict {
    if S::PROPERTIES.family == Family::Floor {
        return Ok(FLOOR);
    }
    let strategy: S = build(&world.deps).await?;
    let grant = strategy.issue(ALICE, world.now).await.map_err(|e| e.to_string())?;
    let (end, leeway) = (grant.expires_at, world.deps.settings.leeway_s);
    ensure!(end > world.now, "the login expires at {end:?}, before it began");
    let end = if is_token(&S::PROPERTIES) { end.plus(leeway) } else { end };
    let (text, last) = (grant.access.expose(), UnixTime(end.0 - 1));
    age::<S>(world, world.now.seconds_until(last)).await?;
    admitted("one second before its expiry", &strategy, text, ALICE, last).await?;
    for at in [end, end.plus(1), end.plus(1_000_000)] {
        let text = log_in(&strategy, ALICE, world.now).await?;
        age::<S>(world, world.now.seconds_until(at)).await?;
        refused(&format!("at {at:?}, expired at {end:?}"), &strategy, &text, at, EXPIRED).await?;
    }
    Ok(Held::Shown)
}

/// With a leeway, a token is admitted up to and without `expires_at + leeway`.
pub(super) async fn leeway_is_a_threshold<S: AuthStrategy>(world: &World) -> Verdict {
    if !is_token(&S::PROPERTIES) {
        return Ok(Held::NotApplicable("only tokens are judged by another clock than their own"));
    }
    let mut deps = world.deps.clone();
    deps.settings.leeway_s = 5;
    let strategy: S = build(&deps).await?;
    let grant = strategy.issue(ALICE, world.now).await.map_err(|e| e.to_string())?;
    let (text, end) = (grant.access.expose(), grant.expires_at);
    admitted("in its last second of leeway", &strategy, text, ALICE, end.plus(4)).await?;
    refused("past its leeway", &strategy, text, end.plus(5), EXPIRED).await?;
    Ok(Held::Shown)
}

fn short_sessions(world: &World) -> Deps {
    let mut deps = world.deps.clone();
    deps.settings.session_idle_s = 100;
    deps.settings.session_absolute_s = 1_000;
    deps
}

/// The idle time counts from a use late enough to be noted, and no use is noted for nothing.
pub(super) async fn an_unused_session_ends<S: AuthStrategy>(world: &World) -> Verdict {
    if S::PROPERTIES.family != Family::Session {
        return Ok(NO_SESSION);
    }
    let strategy: S = build(&short_sessions(world)).await?;
    // More than half of the idle time is gone at 60 s: a strategy must note that use.
    let used = world.now.plus(60);
    for (at, alive) in [(100, false), (99, true)] {
        let text = log_in(&strategy, ALICE, world.now).await?;
        age::<S>(world, 60).await?;
        admitted("a first use", &strategy, &text, ALICE, used).await?;
        age::<S>(world, at).await?;
        if alive {
            admitted("idle for 99 of 100 s", &strategy, &text, ALICE, used.plus(at)).await?;
        } else {
            refused("idle for 100 s", &strategy, &text, used.plus(at), EXPIRED).await?;
        }
    }
    Ok(Held::Shown)
}

/// However busy, a session ends at its absolute deadline.
pub(super) async fn a_busy_session_ends_too<S: AuthStrategy>(world: &World) -> Verdict {
    if S::PROPERTIES.family != Family::Session {
        return Ok(NO_SESSION);
    }
    let strategy: S = build(&short_sessions(world)).await?;
    let text = log_in(&strategy, ALICE, world.now).await?;
    let mut before = 0;
    for used in (0..1_000).step_by(37).chain([999]) {
        age::<S>(world, used - before).await?;
        before = used;
        let what = format!("busy, at {used} of 1,000 s");
        admitted(&what, &strategy, &text, ALICE, world.now.plus(used)).await?;
    }
    refused("at its absolute end", &strategy, &text, world.now.plus(1_000), EXPIRED).await?;
    Ok(Held::Shown)
}
