//! Access tokens, from the outside: the policy, attack by attack, by property, and that both
//! verifiers of HS256 give the same answers.

mod agreement;
mod generator;
mod policy;
mod properties;
mod support;
