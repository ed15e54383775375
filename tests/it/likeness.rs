//! How well copies are found: on made-up agency copies, at a smaller size than in `benches/duplicates.rs`.

use chrono::DateTime;
use newsdesk::duplicates::{Index, Text};
use newsdesk::model::Html;
use newsdesk::normalize::clean;

use crate::agency;

#[test]
fn agency_copies_are_found_and_hardly_anything_else() {
    let (mut copies, mut found, mut wrong, mut others) = (0, 0, 0, 0);
    let mut index = Index::default();
    let now = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
    // Those that began a story: its number, its source, its text.
    let mut firsts: Vec<(usize, usize, Text)> = Vec::new();
    for piece in agency::pieces(1, 600) {
        let text = Text::new(&clean::visible(&Html(piece.html.clone())));
        let anchors = text.anchors();
        let joined = index.candidates(now, &anchors).into_iter().find(|row| {
            let (_, source, other) = &firsts[*row as usize];
            *source != piece.source && text.likeness(other).is_some()
        });
        let is_copy = firsts.iter().any(|(story, ..)| *story == piece.story);
        copies += usize::from(is_copy);
        others += usize::from(!is_copy);
        match joined {
            Some(row) if firsts[row as usize].0 == piece.story => found += 1,
            Some(_) => wrong += 1,
            None => {
                index.insert(now, firsts.len() as i64, &anchors);
                firsts.push((piece.story, piece.source, text));
            }
        }
    }
    let (found_percent, wrong_percent) = (found as f64 * 100.0 / copies as f64, wrong as f64 * 100.0 / others as f64);
    println!(
        "{found} of {copies} copies found ({found_percent:.1} %), {wrong} of {others} others taken for copies ({wrong_percent:.2} %)"
    );
    assert!(copies > 600 && others > 600);
    assert!(found_percent >= 95.0 && wrong_percent <= 0.5, "{found_percent:.1} % found, {wrong_percent:.2} % wrong");
}
