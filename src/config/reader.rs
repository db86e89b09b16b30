//! Reads TOML tables key by key and remembers every mistake, so that all of them can be shown at once.
//!
//! serde stops at the first error and knows nothing of ranges, units or the environment; this is what replaces it.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::problem::{Problem, Problems, suggestion};

/// What the environment variables that override keys begin with; two underscores separate levels.
pub(super) const ENVIRONMENT_PREFIX: &str = "OFFHOOK__";

/// One key as it is in effect, for the start-up log and for the test that compares the reference file with the code.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Setting {
    /// The whole key, `sip.listen`.
    pub key: String,
    /// The value in effect; `set` or `unset` for a secret.
    pub value: String,
    /// The permitted values when they are an interval or a list, as the reference file writes them: `20-1000`.
    pub limits: Option<String>,
    /// Whether the file or the environment gave it.
    pub given: bool,
}

/// What one file and the environment said, with the mistakes found so far.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// Overrides that no section has asked for yet, by dotted key.
    environment: BTreeMap<String, String>,
    pub(super) problems: Vec<Problem>,
    pub(super) settings: Vec<Setting>,
}

/// The raw value of a key and where it came from: text from the environment is parsed as the key's type.
#[derive(Debug)]
pub(super) enum Given {
    File(Value),
    Environment(String),
}

impl Reader {
    /// A reader with the overrides among `environment`; variables without the prefix are none of its business.
    pub(super) fn new<'a>(environment: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let environment = environment
            .filter_map(|(name, value)| {
                let key = name.strip_prefix(ENVIRONMENT_PREFIX)?;
                Some((key.to_lowercase().replace("__", "."), value.to_owned()))
            })
            .collect();
        Self { environment, ..Self::default() }
    }

    /// The whole file as a section without a name.
    pub(super) fn root(&mut self, table: Table) -> Section<'_> {
        Section { reader: self, path: String::new(), table, known: Vec::new() }
    }

    /// Notes a mistake that concerns more than one key.
    pub(super) fn refuse(&mut self, key: impl Into<String>, reason: impl Into<String>) {
        self.problems.push(Problem::new(key, reason));
    }

    /// Ends the reading: overrides that nothing asked for are mistakes too.
    pub(super) fn finish(mut self) -> Result<Vec<Setting>, Problems> {
        for key in self.environment.into_keys() {
            let known = self.settings.iter().map(|setting| setting.key.as_str());
            let hint = suggestion(&key, known);
            self.problems.push(Problem::new(variable(&key), format!("unknown key {key}{hint}")));
        }
        if self.problems.is_empty() { Ok(self.settings) } else { Err(Problems(self.problems)) }
    }
}

/// One table of the file, read key by key; `finish` refuses the keys that were not read.
#[derive(Debug)]
pub(super) struct Section<'r> {
    pub(super) reader: &'r mut Reader,
    path: String,
    table: Table,
    known: Vec<String>,
}

impl Section<'_> {
    /// The whole name of `key`, as errors and the log show it.
    pub(super) fn full_key(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Notes a mistake about `key` of this section.
    pub(super) fn refuse(&mut self, key: &str, reason: impl Into<String>) {
        let key = self.full_key(key);
        self.reader.refuse(key, reason);
    }

    /// The sub-table `key`, empty when absent.
    pub(super) fn section(&mut self, key: &str) -> Section<'_> {
        self.known.push(key.to_owned());
        let table = match self.table.remove(key) {
            None => Table::new(),
            Some(Value::Table(table)) => table,
            Some(other) => {
                let path = self.full_key(key);
                self.refuse(key, format!("{other} is not a section ([{path}])"));
                Table::new()
            }
        };
        Section { path: self.full_key(key), table, known: Vec::new(), reader: self.reader }
    }

    /// The tables of `[[key]]`, or `None` when the key is absent.
    pub(super) fn tables(&mut self, key: &str) -> Option<Vec<Table>> {
        self.known.push(key.to_owned());
        let path = self.full_key(key);
        let rows = match self.table.remove(key)? {
            Value::Array(rows) => rows,
            other => {
                self.refuse(key, format!("{other} is not a list of [[{path}]]"));
                return Some(Vec::new());
            }
        };
        let mut tables = Vec::new();
        for row in rows {
            match row {
                Value::Table(table) => tables.push(table),
                other => self.refuse(key, format!("{other} is not a [[{path}]] table")),
            }
        }
        Some(tables)
    }

    /// The tables of `[[key]]` as they are, which stay to be read.
    pub(super) fn peek(&self, key: &str) -> Vec<Table> {
        let rows = self.table.get(key).and_then(Value::as_array).into_iter().flatten();
        rows.filter_map(Value::as_table).cloned().collect()
    }

    /// Row `index` of `[[key]]` as a section.
    pub(super) fn row(&mut self, key: &str, index: usize, table: Table) -> Section<'_> {
        Section { path: format!("{}[{index}]", self.full_key(key)), table, known: Vec::new(), reader: self.reader }
    }

    /// Every name under this section in the file or the environment: for sections whose keys the operator names.
    pub(super) fn names(&self) -> Vec<String> {
        let prefix = format!("{}.", self.path);
        let overridden = self.reader.environment.keys();
        let mut names: Vec<String> = overridden
            .filter_map(|key| key.strip_prefix(&prefix)?.split('.').next())
            .chain(self.table.keys().map(String::as_str))
            .map(str::to_owned)
            .collect();
        names.sort();
        names.dedup();
        names
    }

    /// Reads `key`: the environment before the file, and `default` when neither has it or `parse` refuses it.
    pub(super) fn value<T>(&mut self, key: &str, default: T, parse: impl FnOnce(&Given) -> Result<T, String>) -> T {
        self.known.push(key.to_owned());
        let full = self.full_key(key);
        let in_file = self.table.remove(key).map(Given::File);
        let overridden = self.reader.environment.remove(&full);
        let Some(given) = overridden.map(Given::Environment).or(in_file) else {
            return default;
        };
        parse(&given).unwrap_or_else(|reason| {
            let key = match given {
                Given::File(_) => full,
                Given::Environment(_) => format!("{full} ({})", variable(&full)),
            };
            self.reader.refuse(key, reason);
            default
        })
    }

    /// Whether the file or the environment gives `key`; asked before it is read.
    pub(super) fn has(&self, key: &str) -> bool {
        let full = self.full_key(key);
        self.table.contains_key(key) || self.reader.environment.contains_key(&full)
    }

    /// Notes the value in effect for `key`.
    pub(super) fn note(&mut self, key: &str, value: String, given: bool, limits: Option<String>) {
        let key = self.full_key(key);
        self.reader.settings.push(Setting { key, value, limits, given });
    }

    /// Refuses what is left: keys that nothing read.
    pub(super) fn finish(mut self) {
        let known = std::mem::take(&mut self.known);
        for (key, value) in std::mem::take(&mut self.table) {
            let hint = suggestion(&key, known.iter().map(String::as_str));
            let what = match value {
                Value::Table(_) => "section",
                _ => "key",
            };
            self.refuse(&key, format!("unknown {what}{hint}"));
        }
    }
}

/// The environment variable that overrides `key`.
fn variable(key: &str) -> String {
    format!("{ENVIRONMENT_PREFIX}{}", key.to_uppercase().replace('.', "__"))
}
