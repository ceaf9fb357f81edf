//! One verb, one file.

pub mod beside;
pub mod collect;
pub mod compare;
pub mod decide;
pub mod doctor;
pub mod inspect;
mod kept;
pub mod list;
pub mod load;
pub mod merge;
pub mod micro;
mod overview;
pub mod predict;
pub mod report;
pub mod revoke;
pub mod revoke_target;
pub mod run;
pub mod schema;
pub mod selftest;
pub mod serve;
pub mod validate;
