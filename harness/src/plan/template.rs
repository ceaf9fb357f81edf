//! Texts with placeholders, as a target file has them: `{user}`, `{n}`, `{credential}` and
//! `{env:NAME}`.
//!
//! `{{name}}` stands for a literal `{name}`; braces around anything that is no name are literal, so
//! that JSON needs no escapes.

use std::fmt;

use serde::{Deserialize, Deserializer, de};

/// A text with placeholders.
#[derive(Clone, Default)]
pub struct Template {
    source: String,
    pieces: Vec<Piece>,
}

#[derive(Clone)]
enum Piece {
    Literal(String),
    User,
    Number,
    Credential,
    /// The name of an environment variable, and its value when the file was read.
    Env(String, String),
}

/// What placeholders stand for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Values<'a> {
    /// `{user}`.
    pub user: &'a str,
    /// `{n}`.
    pub n: u32,
    /// `{credential}`.
    pub credential: &'a str,
}

impl fmt::Debug for Template {
    /// The source: what it holds of the environment is not printed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Template({:?})", self.source)
    }
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

impl Template {
    /// Reads a text with placeholders.
    ///
    /// # Errors
    /// A name that is no placeholder, or an environment variable that is not set.
    pub fn parse(source: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = source;
        while let Some(at) = rest.find('{') {
            literal.push_str(&rest[..at]);
            rest = &rest[at..];
            if let Some(name) = enclosed(rest, "{{", "}}") {
                literal.push_str(&rest[1..name.len() + 3]);
                rest = &rest[name.len() + 4..];
            } else if let Some(name) = enclosed(rest, "{", "}") {
                if !literal.is_empty() {
                    pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                }
                pieces.push(Piece::of(name)?);
                rest = &rest[name.len() + 2..];
            } else {
                literal.push('{');
                rest = &rest[1..];
            }
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        Ok(Self { source: source.to_owned(), pieces })
    }

    /// The text as it stands in the file.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether it is the empty text.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.source.is_empty()
    }

    /// Whether `{name}` stands in it.
    #[must_use]
    pub fn uses(&self, name: &str) -> bool {
        self.pieces.iter().any(|piece| match piece {
            Piece::Literal(_) => false,
            Piece::User => name == "user",
            Piece::Number => name == "n",
            Piece::Credential => name == "credential",
            Piece::Env(..) => name == "env",
        })
    }

    /// The text with everything filled in: a secret, where `values` or the environment are.
    #[must_use]
    pub fn fill(&self, values: Values<'_>) -> String {
        self.render(values, |_, value| value.to_owned())
    }

    /// The text with everything filled in that is no secret: `{credential}` and `{env:NAME}` stand.
    #[must_use]
    pub fn masked(&self, values: Values<'_>) -> String {
        self.render(Values { credential: "{credential}", ..values }, |name, _| {
            format!("{{env:{name}}}")
        })
    }

    fn render(&self, values: Values<'_>, env: impl Fn(&str, &str) -> String) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Literal(text) => text.clone(),
            Piece::User => values.user.to_owned(),
            Piece::Number => values.n.to_string(),
            Piece::Credential => values.credential.to_owned(),
            Piece::Env(name, value) => env(name, value),
        };
        self.pieces.iter().map(piece).collect()
    }
}

impl Piece {
    fn of(name: &str) -> Result<Self, String> {
        if let Some(variable) = name.strip_prefix("env:") {
            let value = std::env::var(variable)
                .map_err(|_| format!("{{{name}}}: the environment has no `{variable}`; set it"))?;
            return Ok(Self::Env(variable.to_owned(), value));
        }
        match name {
            "user" => Ok(Self::User),
            "n" => Ok(Self::Number),
            "credential" => Ok(Self::Credential),
            _ => Err(format!(
                "{{{name}}} is no placeholder; there are {{user}}, {{n}}, {{credential}} and \
                 {{env:NAME}}, and {{{{{name}}}}} stands for the text"
            )),
        }
    }
}

/// The name between `open` and `close` at the start of `text`, if what stands there is one.
fn enclosed<'a>(text: &'a str, open: &str, close: &str) -> Option<&'a str> {
    let inner = text.strip_prefix(open)?;
    let name = &inner[..inner.find(close)?];
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':');
    is_name.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUES: Values<'_> = Values { user: "ann", n: 7, credential: "s3cret" };

    #[test]
    fn placeholders_are_filled_and_json_stands() {
        for (text, filled) in [
            (r#"{"user":"{user}","n":{n}}"#, r#"{"user":"ann","n":7}"#),
            ("Bearer {credential}", "Bearer s3cret"),
            ("query { me { id } } {", "query { me { id } } {"),
            ("{me{{{id}}}", "{me{{id}}"),
            ("{{user}}", "{user}"),
            ("", ""),
        ] {
            assert_eq!(Template::parse(text).unwrap().fill(VALUES), filled, "{text}");
        }
    }

    #[test]
    fn what_is_no_placeholder_is_named() {
        let error = Template::parse("{usr}").unwrap_err();
        assert!(error.contains("{usr}") && error.contains("{user}"), "{error}");
        let error = Template::parse("{env:AUTHBENCH_NO_SUCH_VARIABLE}").unwrap_err();
        assert!(error.contains("AUTHBENCH_NO_SUCH_VARIABLE"), "{error}");
    }

    #[test]
    fn secrets_are_filled_in_and_never_shown() {
        // Set wherever tests run.
        let template = Template::parse("{credential} {env:PATH} {user}").unwrap();
        let path = std::env::var("PATH").unwrap();
        assert_eq!(template.fill(VALUES), format!("s3cret {path} ann"));
        assert_eq!(template.masked(VALUES), "{credential} {env:PATH} ann");
        assert!(!format!("{template:?}").contains(&path));
    }
}
