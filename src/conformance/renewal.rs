//! Renewal by refresh tokens that are good once (RFC 9700 section 4.14.2): each is followed by one
//! other, a used one ends them all, and a login ends them for good.

use std::collections::HashSet;

use redis::cmd;

use super::once::{AT_ONCE, RACES, at_once};
use super::{ALICE, Held, Verdict, World, admitted, build, contents, ensure, refused, state};
use crate::credential::{Credential, Grant};
use crate::error::{AuthError, Denial};
use crate::identity::{Principal, UnixTime};
use crate::strategy::contract::{AuthStrategy, Deps, Renewal};

const NO_ROTATION: Held = Held::NotApplicable("it has no refresh token");

const fn rotates<S: AuthStrategy>() -> bool {
    matches!(S::PROPERTIES.renewal, Renewal::Rotating)
}

/// A login's access token and refresh token.
type Pair = (String, String);

fn pair(grant: &Grant) -> Result<Pair, String> {
    let refresh = grant.refresh.as_ref().ok_or("a grant without a refresh token")?;
    Ok((grant.access.expose().to_owned(), refresh.expose().to_owned()))
}

async fn begin<S: AuthStrategy>(strategy: &S, now: UnixTime) -> Result<Pair, String> {
    pair(&strategy.issue(ALICE, now).await.map_err(|e| e.to_string())?)
}

/// Renews by `refresh`, which is `what` and must be good.
async fn renewed<S: AuthStrategy>(
    what: &str,
    strategy: &S,
    refresh: &str,
    now: UnixTime,
) -> Result<Pair, String> {
    let grant = strategy.refresh(Credential::new(refresh), now).await;
    pair(&grant.map_err(|e| format!("{what}: expected a renewal, got {e}"))?)
}

/// Demands that `text`, which is `what`, renews nothing. An outage is no refusal.
async fn not_renewed<S: AuthStrategy>(
    what: &str,
    strategy: &S,
    text: &str,
    now: UnixTime,
) -> Result<Denial, String> {
    match strategy.refresh(Credential::new(text), now).await {
        Err(AuthError::Denied(why)) => Ok(why),
        other => Err(format!("{what}: expected a denial, got {other:?}")),
    }
}

/// A world's dependencies with a grace.
fn with_grace(world: &World, grace_s: u64) -> Deps {
    let mut deps = world.deps.clone();
    deps.settings.refresh_grace_s = grace_s;
    deps
}

/// A renewal yields another pair, on any node, for the same login, and touches no other login.
pub(super) async fn a_renewal_rotates<S: AuthStrategy>(world: &World) -> Verdict {
    if !rotates::<S>() {
        return Ok(NO_ROTATION);
    }
    let nodes: [S; 2] = [build(&world.deps).await?, build(&world.deps).await?];
    let other = begin(&nodes[0], world.now).await?;
    let (mut access, mut refresh) = begin(&nodes[0], world.now).await?;
    let login = Principal::of_test_subject(ALICE, world.now);
    let mut seen = HashSet::from([access.clone(), refresh.clone()]);
    for step in 1..=6_u64 {
        let (node, now) = (&nodes[usize::from(step % 2 == 0)], world.now.plus(10 * step));
        (access, refresh) = renewed("the current token", node, &refresh, now).await?;
        for text in [&access, &refresh] {
            ensure!(seen.insert(text.clone()), "step {step} handed out what an earlier one did");
        }
        for node in &nodes {
            let got = super::ask(node, &access, now).await;
            let same = super::Outcome::Admitted(login);
            ensure!(got == same, "step {step}: expected {login:?}, got {got:?}");
        }
    }
    renewed("another login's", &nodes[0], &other.1, world.now).await?;
    Ok(Held::Shown)
}

/// Whoever comes second with a used token, the thief or the owner, ends the family for both, and
/// no other. What access tokens are out die by their expiry.
pub(super) async fn a_used_refresh_token_ends_its_family<S: AuthStrategy>(
    world: &World,
) -> Verdict {
    if !rotates::<S>() {
        return Ok(NO_ROTATION);
    }
    let (here, there): (S, S) = (build(&world.deps).await?, build(&world.deps).await?);
    let bystander = begin(&here, world.now).await?;
    // How often the first to come has renewed when the other presents the token that both had.
    for renewals in 1..=3 {
        let (_, stolen) = begin(&here, world.now).await?;
        let (mut access, mut refresh) = (String::new(), stolen.clone());
        let mut ancestors = Vec::new();
        for _ in 0..renewals {
            ancestors.push(refresh.clone());
            (access, refresh) = renewed("who came first", &here, &refresh, world.now).await?;
        }
        let what = format!("used, {renewals} renewals ago");
        not_renewed(&what, &there, &stolen, world.now).await?;
        for (name, node) in [("here", &here), ("there", &there)] {
            let what = format!("the current one after a reuse, {name}");
            not_renewed(&what, node, &refresh, world.now).await?;
            for old in &ancestors {
                not_renewed("an ancestor after a reuse", node, old, world.now).await?;
            }
        }
        admitted("what is out", &there, &access, ALICE, world.now).await?;
    }
    renewed("another login's", &there, &bystander.1, world.now).await?;
    let left = here.count_live(ALICE, world.now).await.map_err(|e| e.to_string())?;
    ensure!(left.is_none_or(|left| left == 1), "one login is left, counted as {left:?}");
    Ok(Held::Shown)
}

/// Fifty renewals with one token at once, over two nodes, have one child between them. Without a
/// grace one succeeds and the rest are reuse; with one they all get the same child, and it is good.
pub(super) async fn fifty_renewals_at_once_have_one_child<S: AuthStrategy>(
    world: &World,
) -> Verdict {
    if !rotates::<S>() {
        return Ok(NO_ROTATION);
    }
    for grace_s in [0, 10] {
        let deps = with_grace(world, grace_s);
        let (here, there): (S, S) = (build(&deps).await?, build(&deps).await?);
        for race in 0..RACES {
            let (_, refresh) = begin(&here, world.now).await?;
            let ask = |n: usize| {
                let node = if n.is_multiple_of(2) { &here } else { &there };
                node.refresh(Credential::new(&refresh), world.now)
            };
            let (mut children, mut succeeded) = (HashSet::new(), 0);
            for answer in at_once((0..AT_ONCE).map(ask)).await {
                match answer {
                    Ok(grant) => {
                        succeeded += 1;
                        children.insert(pair(&grant)?.1);
                    }
                    Err(AuthError::Denied(_)) => {}
                    Err(e) => return Err(format!("race {race}: {e}")),
                }
            }
            let expected = if grace_s == 0 { 1 } else { AT_ONCE };
            ensure!(
                (succeeded, children.len()) == (expected, 1),
                "grace {grace_s} s, race {race}: {succeeded} of {AT_ONCE} at once succeeded, with \
                 {} children",
                children.len()
            );
            for child in &children {
                if grace_s == 0 {
                    not_renewed("the child of a reused token", &there, child, world.now).await?;
                } else {
                    renewed("the one child", &there, child, world.now).await?;
                }
            }
        }
    }
    Ok(Held::Shown)
}

/// Within the grace the token used last yields its own child again, and never begins another chain;
/// later, or once its child was used, it is reuse.
pub(super) async fn a_grace_yields_the_same_child<S: AuthStrategy>(world: &World) -> Verdict {
    if !rotates::<S>() {
        return Ok(NO_ROTATION);
    }
    const GRACE_S: u64 = 5;
    let deps = with_grace(world, GRACE_S);
    let (here, there): (S, S) = (build(&deps).await?, build(&deps).await?);
    let (_, parent) = begin(&here, world.now).await?;
    let (_, child) = renewed("the first use", &here, &parent, world.now).await?;
    for (later, node) in [(0, &there), (1, &here), (GRACE_S - 1, &there)] {
        let (access, again) = renewed("again", node, &parent, world.now.plus(later)).await?;
        ensure!(again == child, "{later} s later another chain was begun");
        admitted("its access token", &here, &access, ALICE, world.now.plus(later)).await?;
    }
    let at = world.now.plus(GRACE_S);
    let (_, grandchild) = renewed("the child", &there, &child, at).await?;
    // Within the grace of its child, but no longer the last.
    not_renewed("the grandparent", &here, &parent, at).await?;
    not_renewed("after that, the current one", &here, &grandchild, at).await?;
    let (_, parent) = begin(&here, world.now).await?;
    let (_, child) = renewed("another first use", &here, &parent, world.now).await?;
    let late = world.now.plus(GRACE_S + 1);
    not_renewed("after the grace", &there, &parent, late).await?;
    not_renewed("and then its child", &here, &child, late).await?;
    Ok(Held::Shown)
}

/// A login that is not renewed for its idle time ends, and so does a busy one at its absolute end.
pub(super) async fn a_family_ends<S: AuthStrategy>(world: &World) -> Verdict {
    if !rotates::<S>() {
        return Ok(NO_ROTATION);
    }
    let mut deps = world.deps.clone();
    (deps.settings.session_idle_s, deps.settings.session_absolute_s) = (100, 1_000);
    let strategy: S = build(&deps).await?;
    for (idle_s, alive) in [(99, true), (100, false), (10_000, false)] {
        let (_, refresh) = begin(&strategy, world.now).await?;
        let used = world.now.plus(60);
        let (_, refresh) = renewed("in time", &strategy, &refresh, used).await?;
        if alive {
            renewed("idle for 99 of 100 s", &strategy, &refresh, used.plus(idle_s)).await?;
        } else {
            not_renewed("idle for too long", &strategy, &refresh, used.plus(idle_s)).await?;
        }
    }
    let (_, mut refresh) = begin(&strategy, world.now).await?;
    for at in (50..1_000).step_by(50).chain([999]) {
        let now = world.now.plus(at);
        (_, refresh) = renewed("busy", &strategy, &refresh, now).await?;
    }
    not_renewed("at its absolute end", &strategy, &refresh, world.now.plus(1_000)).await?;
    Ok(Held::Shown)
}

/// Logging out by either token ends the renewal of that login on every node, at once; logging out
/// everywhere that of each. Declared are access tokens that live on, so the promise is of renewal.
pub(super) async fn a_logout_ends_renewal<S: AuthStrategy>(world: &World) -> Verdict {
    if !rotates::<S>() {
        return Ok(NO_ROTATION);
    }
    let (here, there): (S, S) = (build(&world.deps).await?, build(&world.deps).await?);
    let other = begin(&here, world.now).await?;
    for by_refresh in [false, true] {
        let (access, refresh) = begin(&here, world.now).await?;
        let (_, refresh) = renewed("the living", &here, &refresh, world.now).await?;
        let presented = if by_refresh { &refresh } else { &access };
        super::revocation::log_out(&here, presented, world.now).await?;
        for node in [&here, &there] {
            not_renewed("after the logout", node, &refresh, world.now).await?;
        }
    }
    let (_, other_refresh) = renewed("another login's", &there, &other.1, world.now).await?;
    let device = begin(&here, world.now).await?;
    here.revoke_all(ALICE, world.now).await.map_err(|e| e.to_string())?;
    for refresh in [&other_refresh, &device.1] {
        not_renewed("after logout everywhere", &there, refresh, world.now).await?;
    }
    let (_, again) = begin(&here, world.now).await?;
    renewed("a login after it", &there, &again, world.now).await?;
    Ok(Held::Shown)
}

/// An access token renews nothing and a refresh token is nobody. What is not a refresh token is no
/// used one either: presenting it ends nothing.
pub(super) async fn nothing_else_renews<S: AuthStrategy>(world: &World) -> Verdict {
    if !rotates::<S>() {
        return Ok(NO_ROTATION);
    }
    let strategy: S = build(&world.deps).await?;
    let (access, refresh) = begin(&strategy, world.now).await?;
    not_renewed("an access token", &strategy, &access, world.now).await?;
    refused("a refresh token", &strategy, &refresh, world.now, &[]).await?;
    for (at, old) in refresh.char_indices() {
        let new = if old == 'A' { "B" } else { "A" };
        let bad = [&refresh[..at], new, &refresh[at + 1..]].concat();
        not_renewed(&format!("character {at} changed"), &strategy, &bad, world.now).await?;
    }
    let long = "A".repeat(10_240);
    let zeros = "A".repeat(refresh.len());
    let cut = &refresh[1..];
    let padded = format!("{refresh}==");
    for text in ["", " ", ".", "a.b.c", "\0", "null", cut, &padded, &zeros, &long] {
        not_renewed(&format!("{text:.40?}"), &strategy, text, world.now).await?;
    }
    renewed("the refresh token itself", &strategy, &refresh, world.now).await?;
    Ok(Held::Shown)
}

/// Renewal is closed: an outage while the store is silent, a denial when it has forgotten, and
/// never a grant by what is not a family.
pub(super) async fn no_store_no_renewal<S: AuthStrategy>(world: &World) -> Verdict {
    if !rotates::<S>() {
        return Ok(NO_ROTATION);
    }
    let (Some(handle), Some(server)) = (&world.deps.redis, &world.server) else {
        return Ok(state::NOT_OURS);
    };
    let strategy: S = build(&world.deps).await?;
    let (_, refresh) = begin(&strategy, world.now).await?;
    for name in contents::names(&world.deps).await? {
        let (mut del, mut plant) = (cmd("DEL"), cmd("HSET"));
        contents::redis::<()>(handle, del.arg(&name)).await?;
        contents::redis::<()>(handle, plant.arg(&name).arg("rubbish").arg(1)).await?;
    }
    let got = strategy.refresh(Credential::new(&refresh), world.now).await;
    ensure!(got.is_err(), "rubbish renews: {got:?}");
    contents::redis::<()>(handle, &cmd("FLUSHALL")).await?;
    let (_, refresh) = begin(&strategy, world.now).await?;
    contents::redis::<()>(handle, &cmd("FLUSHALL")).await?;
    not_renewed("after the loss of the store", &strategy, &refresh, world.now).await?;
    let (_, refresh) = begin(&strategy, world.now).await?;
    let (_, refresh) = renewed("a login after it", &strategy, &refresh, world.now).await?;
    server.freeze();
    let got = strategy.refresh(Credential::new(&refresh), world.now).await;
    server.thaw();
    ensure!(matches!(got, Err(AuthError::Unavailable(_))), "a silent store: {got:?}");
    Ok(Held::Shown)
}

/// Neither a refresh token nor what it is made of is kept, and nothing that is kept renews.
pub(super) async fn the_store_holds_no_refresh_token<S: AuthStrategy>(world: &World) -> Verdict {
    if !rotates::<S>() {
        return Ok(NO_ROTATION);
    }
    if world.server.is_none() {
        return Ok(state::NOT_OURS);
    }
    let strategy: S = build(&with_grace(world, 60)).await?;
    let (_, used) = begin(&strategy, world.now).await?;
    let (_, current) = renewed("the first use", &strategy, &used, world.now).await?;
    let found = contents::dump(&world.deps).await?;
    ensure!(!found.is_empty(), "nothing is kept at all");
    for secret in [state::secrets(&used), state::secrets(&current)].concat() {
        let leaks = found.iter().any(|text| text.windows(secret.len()).any(|w| w == secret));
        ensure!(!leaks, "the store holds a refresh token");
    }
    for text in &found {
        for spelling in state::spellings(text) {
            not_renewed("what the store holds", &strategy, &spelling, world.now).await?;
        }
    }
    renewed("the current one", &strategy, &current, world.now).await?;
    Ok(Held::Shown)
}
