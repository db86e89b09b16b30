//! The schema, held against the walk: nothing that may be about a person is forgotten.

use super::tables::{APART, NAMED, TRACES};
use crate::{Store, StoreError};

/// A table or column that nobody has looked at yet.
pub type SchemaGap = String;

impl Store {
    /// Tables that are neither walked nor apart with a reason, columns of text of walked tables that are neither searched nor known to
    /// name nobody, and rows of the walk that are not in the database.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn privacy_gaps(&self) -> Result<Vec<SchemaGap>, StoreError> {
        let columns = match self.sqlite {
            true => sqlx::query(
                "SELECT tables.name AS table_name, columns.name AS column_name, LOWER(columns.type) AS kind
                 FROM sqlite_master AS tables JOIN pragma_table_info(tables.name) AS columns WHERE tables.type = 'table'",
            ),
            false => sqlx::query(
                "SELECT CAST(table_name AS TEXT) AS table_name, CAST(column_name AS TEXT) AS column_name,
                   CAST(data_type AS TEXT) AS kind
                 FROM information_schema.columns WHERE table_schema = current_schema()",
            ),
        };
        let columns = self.read("privacy_gaps", columns, |row| {
            Ok((row.value::<String>("table_name")?, row.value::<String>("column_name")?, row.value::<String>("kind")?))
        });
        let columns = columns.await?;
        let mut gaps = Vec::new();
        for (table, column, kind) in &columns {
            let apart = APART.iter().any(|(name, _)| name == table) || NAMED.iter().any(|named| named.table == table);
            let Some(trace) = TRACES.iter().find(|trace| trace.table == table) else {
                if !apart && !gaps.contains(table) {
                    gaps.push(table.clone());
                }
                continue;
            };
            let known = trace.searched().chain(trace.plain.iter().copied()).any(|known| known == column);
            if kind.contains("text") && !known {
                gaps.push(format!("{table}.{column}"));
            }
        }
        for trace in TRACES {
            for column in trace.searched().chain(trace.plain.iter().copied()).chain(trace.hidden.iter().copied()) {
                if !columns.iter().any(|(table, name, _)| table == trace.table && name == column) {
                    gaps.push(format!("{}.{column} is not there", trace.table));
                }
            }
        }
        gaps.sort();
        Ok(gaps)
    }

    /// Tables that the walk passes by, and why: for the manifest of an export.
    #[must_use]
    pub fn privacy_apart() -> &'static [(&'static str, &'static str)] {
        APART
    }
}
