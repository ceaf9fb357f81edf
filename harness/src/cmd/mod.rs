//! One verb, one file.

pub mod beside;
pub mod collect;
pub mod doctor;
pub mod list;
pub mod load;
pub mod merge;
pub mod micro;
pub mod report;
pub mod run;
pub mod schema;
pub mod serve;
pub mod validate;
