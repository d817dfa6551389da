//! One row of an export before it becomes CSV: cells of text in one buffer that the next row reuses.

use std::fmt::{self, Write};

/// The cells of one row. An empty cell is a null: a Nexthink export does not distinguish them.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Row {
    text: String,
    /// The end of each cell in `text`.
    ends: Vec<usize>,
}

impl Row {
    /// A row without cells.
    pub fn new() -> Self {
        Self::default()
    }

    /// The cells in the order of the query's columns.
    pub fn cells(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.text[start..*end])
    }

    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }

    pub(crate) fn null(&mut self) {
        self.ends.push(self.text.len());
    }

    pub(crate) fn text(&mut self, cell: &str) {
        self.text.push_str(cell);
        self.null();
    }

    pub(crate) fn format(&mut self, cell: fmt::Arguments<'_>) {
        self.text.write_fmt(cell).expect("writing to a String does not fail");
        self.null();
    }

    /// A cell in the shape of a random UUID, `8-4-4-4-12` digits.
    pub(crate) fn uid(&mut self, (high, low): (u64, u64)) {
        let high = (high & !0xF000) | 0x4000;
        let low = (low & !(0b11 << 62)) | (0b10 << 62);
        self.digits(high, 16, 8);
        for (half, from, to) in [(high, 8, 12), (high, 12, 16), (low, 0, 4), (low, 4, 16)] {
            self.text.push('-');
            self.digits(half, 16 - from, to - from);
        }
        self.null();
    }

    /// A cell `YYYY-MM-DD HH:MM:SS`, from seconds since 1970 in UTC.
    pub(crate) fn time(&mut self, seconds: u64) {
        let (year, month, day) = civil_date(seconds / 86_400);
        let second_of_day = seconds % 86_400;
        self.decimal(year, 4);
        for (separator, value) in [
            ('-', month),
            ('-', day),
            (' ', second_of_day / 3_600),
            (':', second_of_day / 60 % 60),
            (':', second_of_day % 60),
        ] {
            self.text.push(separator);
            self.decimal(value, 2);
        }
        self.null();
    }

    /// `count` hexadecimal digits of `value`, the first of which is the `place`-th from the right.
    fn digits(&mut self, value: u64, place: u32, count: u32) {
        for position in 0..count {
            let digit = value >> (4 * (place - 1 - position)) & 0xF;
            self.text.push(char::from(b"0123456789abcdef"[usize::from(digit as u8)]));
        }
    }

    fn decimal(&mut self, value: u64, count: u32) {
        for position in (0..count).rev() {
            let digit = value / 10_u64.pow(position) % 10;
            self.text.push(char::from(b"0123456789"[usize::from(digit as u8)]));
        }
    }
}

/// Year, month and day of a number of days since 1970-01-01
/// (Howard Hinnant, "chrono-compatible low-level date algorithms").
pub(crate) fn civil_date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_keep_their_order_and_empty_ones_are_kept() {
        let mut row = Row::new();
        row.text("a");
        row.null();
        row.format(format_args!("{}-{}", 1, 2));
        assert_eq!(row.cells().collect::<Vec<_>>(), ["a", "", "1-2"]);
    }

    #[test]
    fn times_are_written_as_civil_dates() {
        for (seconds, expected) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_399, "2000-02-28 23:59:59"),
            (951_782_400, "2000-02-29 00:00:00"),
            (1_767_225_599, "2025-12-31 23:59:59"),
            (1_767_225_600, "2026-01-01 00:00:00"),
        ] {
            let mut row = Row::new();
            row.time(seconds);
            assert_eq!(row.cells().next(), Some(expected));
        }
    }

    #[test]
    fn a_uid_has_the_shape_of_a_random_uuid() {
        let mut row = Row::new();
        row.uid((0x0123_4567_89AB_CDEF, 0xFEDC_BA98_7654_3210));
        assert_eq!(row.cells().next(), Some("01234567-89ab-4def-bedc-ba9876543210"));
    }
}
