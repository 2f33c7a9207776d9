//! The columns that the tables need, and how they get those back that somebody has removed.

use tokio_postgres::Transaction;

use super::error::Error;

/// A column as its migration makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Column<'a> {
    table: &'a str,
    name: &'a str,
    definition: &'a str,
    /// The key of the table, where it has several columns and this is one of them.
    key: Option<&'a str>,
}

/// Makes the columns again that are not there any more, of tables that are; whether there were any.
/// What such a table held is gone then: nothing says what belongs into the column. Only what says
/// whose the tables are stays.
pub(super) async fn mend(
    transaction: &Transaction<'_>,
    migrations: &[&str],
) -> Result<bool, Error> {
    let columns: Vec<Column<'_>> = migrations.iter().flat_map(|sql| columns(sql)).collect();
    let tables: Vec<&str> = columns.iter().map(|column| column.table).collect();
    let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
    let sql = "SELECT place - 1 FROM unnest($1::text[], $2::text[]) WITH ORDINALITY
            AS wanted (of_table, name, place)
        WHERE to_regclass(of_table) IS NOT NULL AND NOT EXISTS (SELECT FROM pg_attribute
            WHERE attrelid = to_regclass(of_table) AND attname = name AND NOT attisdropped)";
    let gone = transaction.query(sql, &[&tables, &names]).await?;
    let mut keys = Vec::new();
    for row in &gone {
        let place = usize::try_from(row.get::<_, i64>(0)).unwrap_or(usize::MAX);
        let Some(Column { table, name, definition, key }) = columns.get(place) else { continue };
        tracing::warn!(table, column = name, "a column was removed, and is made again");
        // Whose the tables are does not go with another column.
        let keeps_rows = *table == "vobee_export" && *name != "node";
        let emptied = if keeps_rows { String::new() } else { format!("DELETE FROM {table};") };
        let sql = format!("{emptied} ALTER TABLE {table} ADD COLUMN {name} {definition}");
        transaction.batch_execute(&sql).await?;
        keys.extend(key.map(|key| format!("ALTER TABLE {table} ADD {key}")));
    }
    keys.dedup();
    for sql in &keys {
        transaction.batch_execute(sql).await?;
    }
    Ok(!gone.is_empty())
}

/// The columns of a migration, which has a line for each.
fn columns(sql: &str) -> Vec<Column<'_>> {
    let mut columns: Vec<Column<'_>> = Vec::new();
    let mut table = None;
    for line in sql.lines() {
        if let Some(rest) = line.strip_prefix("CREATE TABLE IF NOT EXISTS ") {
            table = rest.strip_suffix(" (");
        } else if let Some(rest) = line.strip_prefix("ALTER TABLE ") {
            let added = rest.trim_end_matches(';').split_once(" ADD COLUMN IF NOT EXISTS ");
            columns.extend(added.and_then(|(table, column)| of(table, column)));
        } else if let Some((table, column)) = table.zip(line.strip_prefix("    ")) {
            let column = column.trim_end_matches(',');
            match column.strip_prefix("PRIMARY KEY (") {
                Some(of_key) => {
                    let of_key: Vec<&str> = of_key.trim_end_matches(')').split(", ").collect();
                    let of_table = columns.iter_mut().filter(|known| known.table == table);
                    of_table
                        .filter(|known| of_key.contains(&known.name))
                        .for_each(|known| known.key = Some(column));
                }
                None => columns.extend(of(table, column)),
            }
        } else {
            table = None;
        }
    }
    columns
}

fn of<'a>(table: &'a str, column: &'a str) -> Option<Column<'a>> {
    let (name, definition) = column.split_once(' ')?;
    Some(Column { table, name, definition, key: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_of_a_migration_are_found_with_the_key_that_they_belong_to() {
        let sql = "-- Two.\nCREATE TABLE IF NOT EXISTS a (\n    id UUID PRIMARY KEY,\n    \
                   note VARCHAR(20) DEFAULT 'x, y'\n);\nCREATE INDEX IF NOT EXISTS i ON a (note);\n\
                   CREATE TABLE IF NOT EXISTS b (\n    x UUID NOT NULL,\n    y TEXT NOT NULL,\n    \
                   z TEXT,\n    PRIMARY KEY (x, y)\n);\n\
                   ALTER TABLE a ADD COLUMN IF NOT EXISTS more BYTEA;\n";
        let key = Some("PRIMARY KEY (x, y)");
        let expected = [
            ("a", "id", "UUID PRIMARY KEY", None),
            ("a", "note", "VARCHAR(20) DEFAULT 'x, y'", None),
            ("b", "x", "UUID NOT NULL", key),
            ("b", "y", "TEXT NOT NULL", key),
            ("b", "z", "TEXT", None),
            ("a", "more", "BYTEA", None),
        ];
        let expected =
            expected.map(|(table, name, definition, key)| Column { table, name, definition, key });
        assert_eq!(columns(sql), expected);
    }
}
