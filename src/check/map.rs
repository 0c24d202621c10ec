//! Which bytes of a file are there: ranges, and the map of them that GNU ddrescue and its tools read.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;

/// Ranges of bytes, of which no two overlap or touch.
#[derive(Debug, Default)]
pub(super) struct Ranges(BTreeMap<u64, u64>);

impl Ranges {
    /// Adds a range.
    pub(super) fn insert(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let (mut start, mut end) = (range.start, range.end);
        while let Some((known, known_end)) = self
            .0
            .range(..=end)
            .next_back()
            .map(|(start, end)| (*start, *end))
            .filter(|(_, known)| *known >= start)
        {
            self.0.remove(&known);
            (start, end) = (start.min(known), end.max(known_end));
        }
        self.0.insert(start, end);
    }

    /// Whether all of a range is there.
    pub(super) fn holds(&self, range: &Range<u64>) -> bool {
        range.is_empty() || self.0.range(..=range.start).next_back().is_some_and(|(_, end)| *end >= range.end)
    }

    /// The byte behind the last one.
    pub(super) fn end(&self) -> u64 {
        self.0.last_key_value().map_or(0, |(_, end)| *end)
    }

    /// What lies before `len`, in order, each with whether it is there.
    pub(super) fn pieces(&self, len: u64) -> Vec<(Range<u64>, bool)> {
        let mut pieces = Vec::new();
        let mut at = 0;
        for (start, end) in self.0.iter().map(|(start, end)| ((*start).min(len), (*end).min(len))) {
            pieces.extend((at < start).then_some((at..start, false)));
            pieces.extend((start < end).then_some((start..end, true)));
            at = end.max(at);
        }
        pieces.extend((at < len).then_some((at..len, false)));
        pieces
    }
}

/// The map file of GNU ddrescue for a file of these pieces: `+` is there, `-` could not be read.
pub(super) fn text(pieces: &[(Range<u64>, bool)]) -> String {
    let mut text = format!("# Mapfile. Created by plainview version {}\n", env!("CARGO_PKG_VERSION"));
    text.push_str("# + is what was salvaged, - is what was not and reads as zeros\n");
    text.push_str("# current_pos  current_status  current_pass\n0x00000000     +               1\n#      pos        size  status\n");
    for (range, is_there) in pieces {
        let status = if *is_there { '+' } else { '-' };
        // Writing to a string does not fail.
        let _ = writeln!(text, "0x{:08X}  0x{:08X}  {status}", range.start, range.end - range.start);
    }
    text
}
