//! `report.html`: one file that a person opens after a run.
//!
//! - [`render`]: what `goodtwin train` knows.
//! - [`evaluated`](mod@evaluated): what `goodtwin eval` makes of it: the ladder, neighbours, mistakes.
//! - `activation`: what of a picture speaks for its type.
//! - `curves`: how losses and accuracies went.
//! - `gallery`: small pictures inside of the page.

mod activation;
mod curves;
mod evaluated;
mod gallery;

use std::fmt::Write;

use goodtwin_core::{Dataset, Split};
use goodtwin_vision::ModelCard;

use crate::metrics::Confusion;
use crate::recipe;
use crate::retrieval::Retrieval;
use crate::train::Epoch;
pub use evaluated::evaluated;

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1d2b24; --faint: #5c6a62; --paper: #fbfaf6; --line: #cfd6cf; --a: #1f6f4a; --b: #b4552d }
@media (prefers-color-scheme: dark) { :root { --ink: #e8ebe6; --faint: #a3aea7; --paper: #161b18; --line: #3b453f; --a: #6fcf9c; --b: #f0a07a } }
@media print { :root { --ink: #000; --paper: #fff; --line: #bbb; --a: #1f6f4a; --b: #b4552d } .asked, figure, table { break-inside: avoid } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
.headline { font-size: 1.15rem; font-weight: 600; border-left: .3rem solid var(--a); padding-left: .8rem; margin-top: 0 }
h1 { font-size: 1.6rem; overflow-wrap: anywhere } h2 { font-size: 1.25rem; margin-top: 2.4rem } h3 { font-size: 1.05rem }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(10rem, 1fr)); gap: 1rem; margin: 0 }
dl div { border: 1px solid var(--line); border-radius: .5rem; padding: .6rem .8rem } dt { font-size: .85rem } dd { margin: 0; font-size: 1.5rem; font-weight: 600 }
.words { display: block } .words dt { font-weight: 600; margin-top: .6rem } .words dd { font-size: 1rem; font-weight: 400 }
table { border-collapse: collapse; margin: 1rem 0 } td, th { padding: .25rem .7rem; text-align: right; border-bottom: 1px solid var(--line); vertical-align: top }
td:first-child, th:first-child { text-align: left } caption { text-align: left; font-weight: 600; padding: .3rem 0 } .run td { font-weight: 600 }
small { font-weight: 400; color: var(--faint); white-space: nowrap } td small { display: block } figcaption { font-size: .85rem; color: var(--faint) } .faint { fill: var(--faint) }
.wide { overflow-x: auto } svg { max-width: 100%; height: auto } svg text { fill: var(--ink); font: 12px system-ui, sans-serif } svg text[font-weight] { font-weight: 700 }
figure { margin: 0 } .curves { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(20rem, 100%), 1fr)); gap: 1rem } code, pre { overflow-wrap: anywhere; white-space: pre-wrap }
.asked { display: flex; flex-wrap: wrap; gap: .6rem; padding: .6rem 0; border-bottom: 1px solid var(--line) } .asked p { width: 100%; margin: 0; font-size: .85rem; color: var(--faint) }
.asked figure { width: 7.2rem } .asked img, .asked span { display: block; width: 7rem; height: 7rem; object-fit: contain; background: #fff; border: 3px solid transparent; border-radius: .3rem; box-sizing: border-box }
.seen figure { width: 10.5rem } .seen .two { width: 21.3rem } .seen img { display: inline-block; width: 10.5rem; height: 10.5rem; border: 0 } .two img + img { margin-left: .3rem }
.asked .right { border-color: var(--a) } .asked .query { border: 3px dashed var(--ink) } .asked .other { border: 1px solid var(--line) }
@media (max-width: 40rem) { td, th { padding: .2rem .25rem; font-size: .8rem } td small { font-size: .7rem; white-space: normal } }
";

/// The page of a run.
pub fn render(
    card: &ModelCard,
    dataset: &Dataset,
    history: &[Epoch],
    best_epoch: usize,
    confusion: &Confusion,
    [at_start, retrieval]: [Option<Retrieval>; 2],
) -> String {
    let name = card.recipe["name"].as_str().unwrap_or("run");
    let count = |split| dataset.rows.iter().filter(|r| r.split == split).count();
    let asked = retrieval.map_or("No test picture has a relative to ask for.".into(), |r| {
        format!(
            "Retrieval asks with each of the {} test pictures that have a relative; the gallery is every other picture of the set.",
            r.queries
        )
    });
    let tiles = match (at_start, retrieval) {
        (Some(before), Some(after)) => format!(
            "<div><dt>Family Recall@1</dt><dd>{:.3}</dd></div><div><dt>Family Recall@5</dt><dd>{:.3}</dd></div>\
             <div><dt>Recall@1 before the first step</dt><dd>{:.3}</dd></div>",
            after.recall_1, after.recall_5, before.recall_1
        ),
        _ => String::new(),
    };
    let mut page = String::new();
    let _ = write!(
        page,
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>\
         <title>{0} on {1} pictures</title><style>{STYLE}</style>\
         <h1>{0}: {1} pictures, {2} classes</h1>\
         <p>Measured on the {3} pictures of the test split that ask; {4} were trained on, {5} \
         chose the epoch. {6}</p><dl>{7}\
         <div><dt>Type accuracy</dt><dd>{8}</dd></div><div><dt>Epoch kept</dt><dd>{9} of {10}</dd></div></dl>\
         <p><code>goodtwin eval</code> sets these figures beside the untouched trunk.</p>",
        escape(name),
        dataset.rows.len(),
        confusion.classes.len(),
        confusion.total(),
        count(Split::Train),
        count(Split::Validation),
        asked,
        tiles,
        share(confusion.accuracy()),
        best_epoch,
        history.len(),
    );
    page += &curves::section(card, history, Some(best_epoch));
    page += "<h2>Confusion matrix, test split</h2>";
    page += &matrix(confusion);
    page += "<h2>Classes, test split</h2><div class=wide><table><tr><th>class<th>pictures<th>precision<th>recall</tr>";
    for (i, class) in confusion.classes.iter().enumerate() {
        let pictures: usize = confusion.counts[i].iter().sum();
        let _ = write!(
            page,
            "<tr><td>{}<td>{pictures}<td>{}<td>{}</tr>",
            escape(&class.title()),
            share(confusion.precision(i)),
            share(confusion.recall(i))
        );
    }
    page += "</table></div>";
    page += &provenance(card);
    page += "</html>\n";
    page
}

/// A share of some pictures; of none there is no share.
fn share(value: Option<f64>) -> String {
    value.map_or("–".into(), |value| format!("{value:.3}"))
}

/// What the model was made from, and its recipe.
fn provenance(card: &ModelCard) -> String {
    let mut html = "<h2>Where it came from</h2><div class=wide><table>".to_string();
    for (what, value) in [
        ("model", card.id.to_string()),
        ("weights", card.weights.to_string()),
        ("trunk", format!("{} {}", card.network.trunk, card.network.trunk_sha256)),
        ("preprocessing", card.preprocess_id.to_string()),
        ("data set", card.dataset.to_string()),
        ("device", card.device.clone()),
    ] {
        let _ = write!(html, "<tr><td>{what}<td style='text-align:left'><code>{}</code></tr>", escape(&value));
    }
    let (_, recipe) = recipe::shown(&card.recipe);
    let _ = write!(html, "</table></div><h2>Recipe</h2><pre>{}</pre>", escape(&recipe));
    html
}

/// Rows are what pictures are, columns what they were taken for; a cell's strength is its share of the row.
fn matrix(confusion: &Confusion) -> String {
    let (cell, left, head) = (46.0, 130.0, 110.0);
    let n = confusion.classes.len() as f64;
    // The last column's name leans out to the right.
    let (width, height) = (left + cell * n + 70.0, head + cell * n + 10.0);
    let mut svg = format!(
        "<figure><svg width={width} viewBox='0 0 {width} {height}' role=img aria-label='Confusion matrix: rows are what \
         pictures are, columns what they were taken for'>"
    );
    for (i, class) in confusion.classes.iter().enumerate() {
        let title = escape(&class.title());
        let (row_y, column_x) = (head + cell * i as f64 + cell / 2.0 + 4.0, left + cell * i as f64 + cell / 2.0);
        let _ = write!(svg, "<text x={} y={row_y} text-anchor=end>{title}</text>", left - 8.0);
        let at = head - 8.0;
        let _ = write!(svg, "<text x={column_x} y={at} transform='rotate(-45 {column_x} {at})'>{title}</text>");
        let total: usize = confusion.counts[i].iter().sum();
        for (j, count) in confusion.counts[i].iter().enumerate() {
            let share = *count as f64 / total.max(1) as f64;
            let ink = if i == j { "var(--a)" } else { "var(--b)" };
            let (x, y) = (left + cell * j as f64, head + cell * i as f64);
            let _ = write!(
                svg,
                "<rect x={x} y={y} width={cell} height={cell} fill='{ink}' fill-opacity={:.2} stroke='var(--line)'/>\
                 <text x={} y={row_y} text-anchor=middle>{count}</text>",
                0.75 * share,
                x + cell / 2.0,
            );
        }
    }
    svg += "</svg><figcaption>Rows: what a picture is. Columns: what it was taken for.</figcaption></figure>";
    svg
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\'', "&#39;").replace('"', "&quot;")
}

/// A sentence of ours that may hold strangers' names: what is between backticks is code.
fn prose(text: &str) -> String {
    let escaped = escape(text);
    let parts: Vec<&str> = escaped.split('`').collect();
    if parts.len().is_multiple_of(2) {
        return escaped;
    }
    let part = |(i, part): (usize, &&str)| if i % 2 == 1 { format!("<code>{part}</code>") } else { part.to_string() };
    parts.iter().enumerate().map(part).collect()
}

#[cfg(test)]
mod tests {
    use goodtwin_core::BagType;

    use super::*;

    #[test]
    fn names_of_strangers_are_text() {
        let classes = [BagType::new("<script>"), BagType::new("tote")];
        let svg = matrix(&Confusion::count(&classes, [(0, 0), (1, 0)]));
        assert!(!svg.contains("<script>") && svg.contains("&lt;script&gt;"));
    }

    #[test]
    fn words_between_backticks_are_code_and_strangers_stay_text() {
        assert_eq!(prose("`<b>`: run `goodtwin eval`"), "<code>&lt;b&gt;</code>: run <code>goodtwin eval</code>");
        assert_eq!(prose("`two` and one ` alone"), "`two` and one ` alone");
    }
}
