//! Rows of the file as the API shows them.

use serde_json::{Map, Value};
use store::ResourceKind;
use toml::Table;

use super::json::fields;
use crate::config::DEMO;
use crate::config::reader::Section;

/// Keys of trunks that hold lists.
const LISTS: [&str; 7] =
    ["addresses", "allowed_prefixes", "certificate_names", "codecs", "emergency_numbers", "headers", "inbound_digest"];

/// One row of the file; what it is called is its id.
#[derive(Clone, Debug, PartialEq)]
pub struct FileRow {
    /// What it is.
    pub kind: ResourceKind,
    /// What it is called.
    pub id: String,
    /// What the file says of it.
    pub fields: Map<String, Value>,
}

/// All of them, in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FileRows(pub Vec<FileRow>);

impl FileRows {
    /// Those of the file that is about to be read.
    pub(in crate::config) fn of(root: &Section<'_>) -> Self {
        let lists = [
            (ResourceKind::Assistant, "assistants", "name"),
            (ResourceKind::McpServer, "mcp_servers", "name"),
            (ResourceKind::PhoneNumber, "numbers", "number"),
            (ResourceKind::Tool, "tools", "name"),
            (ResourceKind::Trunk, "trunks", "name"),
        ];
        let mut rows = Vec::new();
        for (kind, list, named) in lists {
            for table in root.peek(list) {
                let mut fields = fields(&table);
                // The file calls it by its name, which is its id.
                if let Some(assistant) = fields.remove("assistant") {
                    fields.insert("assistant_id".to_owned(), assistant);
                }
                for list in LISTS {
                    // One may be written without its brackets.
                    if let Some(one @ Value::String(_)) = fields.get(list).cloned() {
                        fields.insert(list.to_owned(), Value::Array(vec![one]));
                    }
                }
                let id = fields.get(named).and_then(Value::as_str).unwrap_or_default().to_owned();
                rows.push(FileRow { kind, id, fields });
            }
        }
        let demo = |row: &FileRow| row.kind == ResourceKind::Assistant && row.id == DEMO;
        if !rows.iter().any(demo) {
            let fields = fields(&Table::from_iter([("name".to_owned(), DEMO.into())]));
            rows.push(FileRow { kind: ResourceKind::Assistant, id: DEMO.to_owned(), fields });
        }
        Self(rows)
    }
}
