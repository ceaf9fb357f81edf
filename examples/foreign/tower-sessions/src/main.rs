//! A small application on tower-sessions: logs in anybody, says who is asking, logs out.
//!
//! Two nodes in one process share a store. With `cached` each node keeps what it has read in a
//! cache of its own, `CachingSessionStore`, as the documentation of tower-sessions offers.

use std::net::SocketAddr;

use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use tower_sessions::session_store::SessionStore;
use tower_sessions::{CachingSessionStore, MemoryStore, Session, SessionManagerLayer};

/// Who logs in, and who is asking.
#[derive(Debug, Deserialize, Serialize)]
struct User {
    user: String,
}

async fn login(session: Session, Json(who): Json<User>) -> Result<StatusCode, StatusCode> {
    let failed = |_| StatusCode::INTERNAL_SERVER_ERROR;
    session.cycle_id().await.map_err(failed)?;
    session.insert("user", &who.user).await.map_err(failed)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn me(session: Session) -> Result<Json<User>, StatusCode> {
    let user = session.get("user").await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    user.map(|user| Json(User { user })).ok_or(StatusCode::UNAUTHORIZED)
}

async fn logout(session: Session) -> Result<StatusCode, StatusCode> {
    session.flush().await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(StatusCode::NO_CONTENT)
}

fn app(store: impl SessionStore + Clone) -> Router {
    Router::new()
        .route("/login", post(login))
        .route("/me", get(me))
        .route("/logout", post(logout))
        .layer(SessionManagerLayer::new(store).with_secure(false))
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let cached = std::env::args().nth(1).as_deref() == Some("cached");
    let store = MemoryStore::default();
    let mut nodes = Vec::new();
    for port in [3011, 3012] {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let listener = tokio::net::TcpListener::bind(address).await?;
        let node = if cached {
            app(CachingSessionStore::new(MemoryStore::default(), store.clone()))
        } else {
            app(store.clone())
        };
        println!("{} on {address}", if cached { "cached" } else { "shared" });
        nodes.push(tokio::spawn(async { axum::serve(listener, node).await }));
    }
    for node in nodes {
        node.await??;
    }
    Ok(())
}
