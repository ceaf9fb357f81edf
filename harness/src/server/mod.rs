//! The server under test: one strategy behind Axum, and a control listener beside it.
