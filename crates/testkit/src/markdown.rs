//! Tables in Markdown, as tests: one document with a title, a header of `Name: value` lines, and rows.
//!
//! Invariant: every row has a cell for every column of its table, and knows its line.

use std::collections::BTreeMap;

/// One document.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its first heading.
    pub title: String,
    /// The `Name: value` lines before the first table; names in lower case.
    pub header: BTreeMap<String, String>,
    /// The rows of all tables, in order.
    pub rows: Vec<Row>,
}

/// One row of a table.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its line in the document, from 1.
    pub line: usize,
    /// The heading that its table stands under.
    pub section: String,
    cells: BTreeMap<String, String>,
}

impl Row {
    /// The cell of a column, without back-quotes around it; empty when the table has no such column.
    #[must_use]
    pub fn cell(&self, column: &str) -> &str {
        self.cells.get(column).map_or("", String::as_str)
    }

    /// Whether its table has that column.
    #[must_use]
    pub fn has(&self, column: &str) -> bool {
        self.cells.contains_key(column)
    }
}

impl Document {
    /// Reads a document; a bar within a cell is written `\|`.
    ///
    /// # Panics
    /// When a row has another number of cells than its table has columns.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut document = Self { title: String::new(), header: BTreeMap::new(), rows: Vec::new() };
        let mut section = String::new();
        let mut columns: Option<Vec<String>> = None;
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if let Some(heading) = line.strip_prefix('#') {
                let heading = heading.trim_start_matches('#').trim();
                if document.title.is_empty() {
                    heading.clone_into(&mut document.title);
                }
                heading.clone_into(&mut section);
                columns = None;
            } else if line.starts_with('|') {
                let cells = cells(line);
                match &columns {
                    None => columns = Some(cells),
                    Some(_)
                        if cells
                            .iter()
                            .all(|cell| !cell.is_empty() && cell.chars().all(|char| "-: ".contains(char))) => {}
                    Some(columns) => {
                        assert_eq!(cells.len(), columns.len(), "line {}: as many cells as columns", index + 1);
                        let cells = columns.iter().cloned().zip(cells).collect();
                        document.rows.push(Row { line: index + 1, section: section.clone(), cells });
                    }
                }
            } else {
                columns = None;
                let name =
                    line.split_once(": ").filter(|(name, _)| name.bytes().all(|byte| byte.is_ascii_alphabetic()));
                if let (Some((name, value)), true) = (name, document.rows.is_empty()) {
                    document.header.insert(name.to_lowercase(), value.trim().to_owned());
                }
            }
        }
        document
    }
}

fn cells(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut chars = line.trim_start_matches('|').chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '\\' if chars.peek() == Some(&'|') => {
                chars.next();
                cells.last_mut().expect("there is a cell").push('|');
            }
            '|' => cells.push(String::new()),
            other => cells.last_mut().expect("there is a cell").push(other),
        }
    }
    // What follows the last bar is no cell.
    cells.pop();
    cells.into_iter().map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_the_columns_of_their_table() {
        let document = Document::parse(
            "# One patient\n\nService: ehr\nSettings: related=reject\n\n| scope | call |\n|---|---|\n| `a` | GET /x?y=1\\|2 |\n\n## Two\n| id |\n| --- |\n| Q-1 |\n",
        );
        assert_eq!(document.title, "One patient");
        assert_eq!(document.header.get("settings").map(String::as_str), Some("related=reject"));
        let [one, two] = &*document.rows else { panic!("two rows") };
        assert_eq!((one.cell("scope"), one.cell("call"), one.line), ("a", "GET /x?y=1|2", 8));
        assert_eq!((two.cell("id"), &*two.section, two.has("scope")), ("Q-1", "Two", false));
    }
}
