//! Tables for a terminal: aligned columns, numbers to the right, no column that says nothing, no cell that commands.

use std::fmt;

use crate::terminal::one_line;

/// Rows under heads.
#[derive(Clone, Debug)]
pub struct Table {
    rows: Vec<Vec<String>>,
    columns: usize,
}

/// The space between two columns.
const GAP: &str = "  ";

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

    /// Each column that says something: its place, its width, and whether it is one of numbers.
    fn used(&self) -> Vec<(usize, usize, bool)> {
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

/// Without a line break at the end.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let used = self.used();
        for (n, row) in self.rows.iter().enumerate() {
            let cells = used.iter().map(|&(c, width, right)| match right {
                true => format!("{:>width$}", row[c]),
                false => format!("{:width$}", row[c]),
            });
            let line = cells.collect::<Vec<_>>().join(GAP);
            write!(f, "{}{}", if n > 0 { "\n" } else { "" }, line.trim_end())?;
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
}
