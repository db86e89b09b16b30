//! JSON as the readers of the file take it, and their words as JSON has them.

use serde_json::{Map, Value};
use toml::Table;

use crate::config::{Problem, Problems};

/// A JSON object as a table. Null is how an absent key may be written.
///
/// # Errors
/// What a table cannot hold, by its key.
pub(super) fn table(fields: &Map<String, Value>) -> Result<Table, Problems> {
    let mut problems = Vec::new();
    let table = below("", fields, &mut problems);
    if problems.is_empty() { Ok(table) } else { Err(Problems(problems)) }
}

fn below(path: &str, fields: &Map<String, Value>, problems: &mut Vec<Problem>) -> Table {
    let mut table = Table::new();
    for (key, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        if let Some(value) = held(&path, value, problems) {
            table.insert(key.clone(), value);
        }
    }
    table
}

fn held(path: &str, value: &Value, problems: &mut Vec<Problem>) -> Option<toml::Value> {
    match value {
        Value::Null => {
            problems.push(Problem::new(path, "null cannot stand in a list"));
            None
        }
        Value::Bool(flag) => Some(toml::Value::Boolean(*flag)),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Some(toml::Value::Integer(whole)),
            (None, Some(number)) => Some(toml::Value::Float(number)),
            (None, None) => None,
        },
        Value::String(text) => Some(toml::Value::String(text.clone())),
        Value::Array(items) => {
            let items = items.iter().enumerate();
            Some(toml::Value::Array(items.filter_map(|(place, item)| held(&format!("{path}.{place}"), item, problems)).collect()))
        }
        Value::Object(fields) => Some(toml::Value::Table(below(path, fields, problems))),
    }
}

/// A table as JSON: the other way round, for rows of the file.
pub(super) fn fields(table: &Table) -> Map<String, Value> {
    match serde_json::to_value(table) {
        Ok(Value::Object(fields)) => fields,
        // Dates alone are not JSON's, and no key of ours takes one.
        _ => Map::new(),
    }
}

/// `transfers[0].name` as the API writes it: `transfers.0.name`.
pub(super) fn in_json(problem: Problem) -> Problem {
    Problem { key: problem.key.replace('[', ".").replace(']', ""), ..problem }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(fields: Value, expected: &str) {
        let said = match table(fields.as_object().expect("an object")) {
            Ok(table) => toml::to_string(&table).expect("it is TOML").trim().replace('\n', "; "),
            Err(problems) => problems.to_string().replace('\n', "; "),
        };
        assert_eq!(said, expected);
    }

    #[test]
    fn json_becomes_a_table_and_null_is_absent() {
        check(json!({ "a": 1, "b": 1.5, "c": "x", "d": null, "e": [true, 2] }), r#"a = 1; b = 1.5; c = "x"; e = [true, 2]"#);
        check(
            json!({ "a": { "b": [1, null], "c": { "d": [null] } } }),
            "a.b.1: null cannot stand in a list; a.c.d.0: null cannot stand in a list",
        );
        check(json!({ "a": 18446744073709551615u64 }), "a = 18446744073709552000.0");
    }

    #[test]
    fn keys_are_told_as_json_has_them() {
        assert_eq!(in_json(Problem::new("engine.menu[2].key", "x")).key, "engine.menu.2.key");
    }
}
