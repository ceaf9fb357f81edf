//! Pages, charts and tables: pure functions of a record.
