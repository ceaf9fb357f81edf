//! Pointers into a record, by name where a number would break with the next record.

use serde_json::Value;

/// As `serde_json`'s pointer, but an element of an array may be given by its name.
pub(super) fn follow<'a>(json: &'a Value, pointer: &str) -> Result<&'a Value, String> {
    let rest = pointer.strip_prefix('/').ok_or("a pointer begins with `/`")?;
    rest.split('/').try_fold(json, |value, part| {
        let part = part.replace("~1", "/").replace("~0", "~");
        let none = || format!("nothing at `{part}` of `{pointer}`");
        match value {
            Value::Object(members) => members.get(&part).ok_or_else(none),
            Value::Array(items) => match part.parse::<usize>() {
                Ok(index) => items.get(index).ok_or_else(none),
                Err(_) => named(items, &part).or_else(|| alone(items, &part)).ok_or_else(none),
            },
            _ => Err(none()),
        }
    })
}

/// The only element of that name, by the first key under which one has it.
pub(super) fn named<'a>(items: &'a [Value], name: &str) -> Option<&'a Value> {
    ["arm", "id", "strategy", "name", "what"].into_iter().find_map(|key| {
        let mut found =
            items.iter().filter(|item| item.get(key).and_then(Value::as_str) == Some(name));
        let first = found.next()?;
        found.next().is_none().then_some(first)
    })
}

/// The only element with these members: `claims=typical,carrier=bearer`. A member that is not there
/// is `null`.
fn alone<'a>(items: &'a [Value], members: &str) -> Option<&'a Value> {
    let members: Vec<(&str, &str)> =
        members.split(',').map(|each| each.split_once('=')).collect::<Option<_>>()?;
    let has = |item: &Value, key: &str, wanted: &str| match item.get(key) {
        Some(Value::String(text)) => text == wanted,
        Some(Value::Null) | None => wanted == "null",
        Some(Value::Number(n)) => n.to_string() == wanted,
        _ => false,
    };
    let mut found = items.iter().filter(|item| members.iter().all(|(k, v)| has(item, k, v)));
    let first = found.next()?;
    found.next().is_none().then_some(first)
}
