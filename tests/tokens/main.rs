//! Access tokens, from the outside: the policy, attack by attack.

mod policy;
mod support;
