//! Tables for a terminal: aligned columns, numbers to the right, no column that says nothing, no cell that commands.
//!
//! Formatted with a width, as in `{table:80}`, the columns that do not fit beside the first ones stand on lines of their own below
//! them, heads and cells alike; without one, a row is a line.

use std::fmt;

use crate::terminal::one_line;

/// Rows under heads.
#[derive(Clone, Debug)]
pub struct Table {
    rows: Vec<Vec<String>>,
    columns: usize,
}

/// A column's place, its width, and whether it is one of numbers.
type Column = (usize, usize, bool);

/// The space between two columns.
const GAP: &str = "  ";

/// What stands before the columns that did not fit.
const INDENT: &str = "    ";

impl Table {
    /// A table with these heads and no rows.
    pub fn new(heads: &[&str]) -> Self {
        Table { rows: vec![heads.iter().map(|h| h.to_string()).collect()], columns: heads.len() }
    }

    /// Add a row. Cells may be strangers' words.
    ///
    /// # Panics
    /// If it has another number of cells than there are heads.
    pub fn row(&mut self, cells: Vec<String>) {
        assert_eq!(cells.len(), self.columns, "a cell for each head");
        self.rows.push(cells.iter().map(|cell| one_line(cell)).collect());
    }

    /// Whether it has heads alone.
    pub fn is_empty(&self) -> bool {
        self.rows.len() == 1
    }

    /// Each column that says something.
    fn used(&self) -> Vec<Column> {
        let cells = |c: usize| self.rows[1..].iter().map(move |row| row[c].as_str());
        let is_number =
            |cell: &str| cell.bytes().any(|b| b.is_ascii_digit()) && cell.bytes().all(|b| b.is_ascii_digit());
        (0..self.columns)
            .filter(|&c| self.is_empty() || cells(c).any(|cell| !cell.is_empty()))
            .map(|c| {
                let width = self.rows.iter().map(|row| row[c].chars().count()).max().unwrap_or(0);
                (c, width, !self.is_empty() && cells(c).all(|cell| cell.is_empty() || is_number(cell)))
            })
            .collect()
    }
}

/// The columns of each line, none longer than `most` unless a single column is.
fn broken(columns: Vec<Column>, most: usize) -> Vec<Vec<Column>> {
    let mut lines: Vec<Vec<Column>> = vec![Vec::new()];
    let mut at = 0;
    for column in columns {
        let line = lines.last_mut().expect("it starts with one");
        if line.is_empty() || at + GAP.len() + column.1 <= most {
            at += GAP.len() * usize::from(!line.is_empty()) + column.1;
            line.push(column);
        } else {
            at = INDENT.len() + column.1;
            lines.push(vec![column]);
        }
    }
    lines
}

/// Without a line break at the end.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = broken(self.used(), f.width().unwrap_or(usize::MAX));
        let mut is_first = true;
        for row in &self.rows {
            for (n, columns) in lines.iter().enumerate() {
                let cells = columns.iter().map(|&(c, width, right)| match right {
                    true => format!("{:>width$}", row[c]),
                    false => format!("{:width$}", row[c]),
                });
                let line = cells.collect::<Vec<_>>().join(GAP);
                let indent = if n > 0 { INDENT } else { "" };
                // Below the first line, one on which this row says nothing is left out.
                if n > 0 && line.trim().is_empty() {
                    continue;
                }
                write!(f, "{}{indent}{}", if is_first { "" } else { "\n" }, line.trim_end())?;
                is_first = false;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_empty_ones_are_left_out() {
        let mut table = Table::new(&["STORE", "ITEMS", "NOTE", "WHY"]);
        assert_eq!(table.to_string(), "STORE  ITEMS  NOTE  WHY");
        table.row(vec!["väskor".into(), "7".into(), "".into(), "a\u{1b}b".into()]);
        table.row(vec!["b".into(), "120".into(), "".into(), "".into()]);
        assert_eq!(table.to_string(), "STORE   ITEMS  WHY\nväskor      7  a\u{fffd}b\nb         120");
    }

    #[test]
    fn columns_that_do_not_fit_stand_below() {
        let mut table = Table::new(&["STORE", "ITEMS", "ADDRESS", "WHY"]);
        table.row(vec!["a".into(), "7".into(), "https://a.example/a/long/address".into(), "x".into()]);
        table.row(vec!["b".into(), "120".into(), String::new(), "yy".into()]);
        let address = "https://a.example/a/long/address";
        assert_eq!(
            format!("{table:20}"),
            format!("STORE  ITEMS\n    ADDRESS\n    WHY\na          7\n    {address}\n    x\nb        120\n    yy")
        );
        assert_eq!(format!("{table:200}"), table.to_string());
        let widest = table.to_string().lines().map(str::len).max().unwrap();
        assert_eq!(format!("{table:widest$}"), table.to_string(), "what fits is not broken");
    }
}
