//! The grid of a table: where its cells stand, and whether their spans leave every column and row what HTML asks for.

/// Columns of a table, as far as spans matter.
#[derive(Default)]
pub(super) struct Grid {
    has_spans: bool,
    /// Columns in which a cell begins, and the rightmost end of a cell.
    begun: Vec<bool>,
    width: usize,
    /// Rows for which each column is still taken from above.
    taken: Vec<u32>,
    column: usize,
    overlaps: bool,
}

impl Grid {
    /// More columns than this have no grid that anybody reads.
    const MOST: usize = 1000;

    /// Rows do not reach into the next group.
    pub(super) fn group(&mut self) {
        self.overlaps |= self.taken.iter().any(|rows| *rows > 1);
        self.taken.clear();
    }

    pub(super) fn row(&mut self) {
        self.taken.iter_mut().for_each(|rows| *rows = rows.saturating_sub(1));
        self.column = 0;
    }

    pub(super) fn cell(&mut self, columns: u32, rows: u32) {
        self.has_spans |= columns > 1 || rows > 1;
        while self.taken.get(self.column).is_some_and(|rows| *rows > 0) {
            self.column += 1;
        }
        let end = self.column + columns as usize;
        if end > Self::MOST {
            self.overlaps = true;
            return;
        }
        self.width = self.width.max(end);
        self.begun.resize(self.width, false);
        self.taken.resize(self.taken.len().max(end), 0);
        self.begun[self.column] = true;
        for column in self.column..end {
            self.overlaps |= self.taken[column] > 0;
            // The row that is being read is the first of them.
            self.taken[column] = rows;
        }
        self.column = end;
    }

    /// May the spans stand?
    pub(super) fn is_sound(&self) -> bool {
        !self.overlaps && self.begun.iter().all(|begun| *begun) && self.taken.iter().all(|rows| *rows <= 1)
    }
}
