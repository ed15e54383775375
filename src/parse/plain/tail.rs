//! The tail of a text: residue of web forms, and the attribution above it.

use super::page::{Page, starts_lower};
use super::{attribution, residue};
use crate::parse::article::LineUse;
use crate::parse::feed::Attribution;

/// Marks residue as dropped. `body` is the first row of the body.
pub(super) fn drop_residue(page: &Page<'_>, body: usize, further: &[String], uses: &mut [LineUse]) {
    let comments = (body + 1..page.rows.len()).find(|row| residue::begins_comments(page.text(*row)));
    let mut end = comments.unwrap_or(page.rows.len());
    uses.iter_mut().skip(end).for_each(|line| *line = LineUse::Dropped);
    let is_residue = |row: usize| residue::is_residue(page.text(row), further);
    while end > body {
        let unit = page.unit_ending(end - 1);
        let start = unit.start.max(body);
        let mut tail = end;
        while tail > start && is_residue(tail - 1) && stands_alone(page, tail - 1) {
            tail -= 1;
            mark(uses, tail, LineUse::Dropped);
        }
        if page.is_paragraph(start..tail) {
            return;
        }
        (start..tail).filter(|row| is_residue(*row)).for_each(|row| mark(uses, row, LineUse::Dropped));
        end = start;
    }
}

/// Marks attributions in the last three blocks, and says whom they credit, in the order of the text.
pub(super) fn take_attributions(page: &Page<'_>, body: usize, uses: &mut [LineUse]) -> Vec<Attribution> {
    let mut found: Vec<(usize, Vec<Attribution>)> = Vec::new();
    let mut end = page.rows.len();
    let mut blocks = 3;
    while blocks > 0 && end > body {
        let unit = page.unit_ending(end - 1);
        let start = unit.start.max(body);
        let mut rows: Vec<usize> = (start..end).filter(|row| uses.get(*row) == Some(&LineUse::Body)).collect();
        end = start;
        if rows.is_empty() {
            continue;
        }
        blocks -= 1;
        while let Some((row, credits)) = rows.last().and_then(|row| Some((*row, credits(page, *row)?))) {
            rows.pop();
            found.push((row, credits));
        }
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { continue };
        if page.is_paragraph(*first..last + 1) {
            break;
        }
        found.extend(rows.iter().rev().filter_map(|row| Some((*row, credits(page, *row)?))));
    }
    found.reverse();
    for (row, _) in &found {
        mark(uses, *row, LineUse::Origin);
    }
    found.into_iter().flat_map(|(_, credits)| credits).collect()
}

fn credits(page: &Page<'_>, row: usize) -> Option<Vec<Attribution>> {
    stands_alone(page, row).then(|| attribution::read(page.text(row)))?
}

/// Is the line one of its own, and not part of a sentence that was wrapped?
fn stands_alone(page: &Page<'_>, row: usize) -> bool {
    let goes_on = page.rest_of_block(row).len() > 1 && starts_lower(page.text(row + 1));
    let begins = page.starts_block(row) || !starts_lower(page.text(row));
    page.one_paragraph_a_line(row) || begins && !goes_on
}

fn mark(uses: &mut [LineUse], row: usize, used: LineUse) {
    if let Some(line) = uses.get_mut(row) {
        *line = used;
    }
}
