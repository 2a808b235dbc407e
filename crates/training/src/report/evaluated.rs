//! The page of a run that was measured beside the ladder: what a person looks at before they trust a figure.

use std::fmt::Write;

use goodtwin_core::{Dataset, Split};
use goodtwin_vision::Embedder;

use super::gallery::{Gallery, Shown};
use super::{STYLE, curves, escape, matrix, prose, provenance};
use crate::Result;
use crate::bootstrap::Estimate;
use crate::evaluation::{Classification, Evaluation, Group, Kind, Queries, Rung};
use crate::retrieval::{Answers, Figures, Metric};
use crate::seed_group::SeedGroup;
use crate::train::Epoch;

/// Queries that are shown with their neighbours.
const QUERIES: usize = 16;
/// Neighbours of each.
const NEIGHBOURS: usize = 6;

/// The page. Pictures are small JPEGs inside of it; it loads nothing and runs nothing.
///
/// # Errors
/// A picture that cannot be read.
pub fn evaluated(
    embedder: &Embedder,
    dataset: &Dataset,
    history: &[Epoch],
    best_epoch: Option<usize>,
    evaluation: &Evaluation,
) -> Result<String> {
    let (card, mut gallery) = (embedder.card(), Gallery::new(dataset));
    let title = evaluation.run.as_ref().map_or("run", |r| r.name.as_str());
    let mut page = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width,initial-scale=1'>\
         <title>{0}</title><style>{STYLE}</style><main><p class=headline>{1}</p><h1>{0}</h1>\
         <p>Measured on <b>{2}</b>, {3} pictures: {4} A picture asks, and the gallery is every other picture of the set. \
         Intervals are 95 %, from {5} resamples that draw families, since pictures of one family are nearly one picture.</p>",
        escape(title),
        prose(&evaluation.headline),
        escape(&evaluation.dataset.name),
        dataset.rows.len(),
        who_asks(dataset, evaluation),
        evaluation.bootstrap.resamples,
    );
    page += "<h2>Is the family found?</h2>";
    page += &ladder(&evaluation.rungs, "Family Recall@1 of each rung", |r| r.family.as_ref());
    if evaluation.rungs.iter().any(|r| r.across.is_some()) {
        page += "<h2>On another ground?</h2><p>Only pictures on other grounds than the query's are in the gallery.</p>";
        page += &ladder(&evaluation.rungs, "Family Recall@1 across grounds of each rung", |r| r.across.as_ref());
    }
    page += "<h2>All measures</h2>";
    page += &measures("family", &evaluation.rungs, |r| r.family.as_ref());
    if evaluation.asks_of_a_part() {
        let askers = evaluation.askers();
        let _ = write!(
            page,
            "<p>A run has learned from {} of the gallery, and may tell what it has seen from what it has not. Here only the \
             {askers} are in the gallery.</p>",
            if evaluation.is_of_own() { "most" } else { "a part" }
        );
        page += &measures(&format!("family, {askers} alone"), &evaluation.rungs, |r| r.unseen.as_ref());
    }
    page += &measures("type", &evaluation.rungs, |r| r.types.as_ref());
    page += &groups("type of the query", &evaluation.by_type);
    page += &groups("ground of the query", &evaluation.by_background);
    if let Some(rung) = evaluation.of_run() {
        page += &neighbours(&rung.answers, dataset, &mut gallery)?;
    }
    if let Some(classes) = &evaluation.classification {
        page += &classification(classes, dataset, &mut gallery)?;
        page += &super::activation::section(embedder, dataset, classes)?;
    }
    if let Some(group) = &evaluation.seeds {
        page += &seeds(group);
    }
    if !history.is_empty() {
        page += &curves::section(card, history, best_epoch);
    }
    page += "<h2>What the measures are</h2><dl class=words><dt>Recall@k<dd>The share of queries with one of their family among \
             the nearest k.<dt>mAP@R<dd>With R pictures of the family in the gallery: the precisions at each of them among the \
             nearest R, summed and divided by R (Musgrave, Belongie, Lim 2020).<dt>MRR<dd>The mean of one divided by the place \
             of the first of the family.<dt>The best untouched feature<dd>The one with the highest family Recall@1 on these \
             very queries: chosen with hindsight, which makes it the harder to beat.</dl>";
    page += &provenance(card);
    page += "</main></html>\n";
    Ok(page)
}

/// What the run knows of the pictures, and which of them ask.
fn who_asks(dataset: &Dataset, evaluation: &Evaluation) -> String {
    let count = |split| dataset.rows.iter().filter(|r| r.split == split).count();
    let (train, validation, test) = (count(Split::Train), count(Split::Validation), count(Split::Test));
    let another = "the run was trained on another set.";
    match (evaluation.queries, evaluation.is_of_own()) {
        (Queries::HeldOut, true) if evaluation.seen == 0 => format!(
            "{train} were trained on, {validation} chose the epoch, {test} are held out with all of their families and ask."
        ),
        (Queries::HeldOut, true) => format!(
            "{train} were trained on, {validation} chose the epoch, {test} are held out; {} of those do not ask, since they hang \
             together with pictures that the run has learnt from.",
            evaluation.seen
        ),
        (Queries::HeldOut, false) => format!(
            "{another} {} do not ask, since it has seen them or what belongs with them; the other {} do.",
            evaluation.seen,
            dataset.rows.len() - evaluation.seen
        ),
        (Queries::All, true) => format!(
            "all ask, the {train} that were trained on and the {validation} that chose the epoch as well as the {test} that are \
             held out. So this does not say what the run finds of bags that it has not seen."
        ),
        (Queries::All, false) => format!("{another} All ask, those as well that it may have seen there."),
    }
}

/// How the figures of runs spread that differ in their seed alone.
fn seeds(group: &SeedGroup) -> String {
    let mut html = format!(
        "<h2>How far is it luck?</h2><p>{}; the spread is the sample's standard deviation.</p>\
         <div class=wide><table><tr><th>figure<th>mean<th>spread",
        escape(&group.title())
    );
    for (figure, spread) in &group.figures {
        let _ = write!(html, "<tr><td>{figure}<td>{:.3}<td>{:.3}", spread.mean, spread.deviation.unwrap_or(0.0));
    }
    html + "</table></div>"
}

/// A dot a rung, with its interval as a line.
fn ladder(rungs: &[Rung], label: &str, figures: impl Fn(&Rung) -> Option<&Figures>) -> String {
    let (left, width, row) = (210.0, 680.0, 22.0);
    let height = row * rungs.len() as f64 + 26.0;
    let x = |value: f64| left + value * (width - left - 60.0);
    let mut svg =
        format!("<figure><svg width={width} viewBox='0 0 {width} {height}' role=img aria-label='{}'>", escape(label));
    for part in 0..=4 {
        let value = f64::from(part) / 4.0;
        let _ = write!(
            svg,
            "<line x1={0:.1} x2={0:.1} y1=4 y2={1} stroke='var(--line)'/><text x={0:.1} y={2} text-anchor=middle>{value:.2}</text>",
            x(value),
            height - 22.0,
            height - 6.0
        );
    }
    for (i, rung) in rungs.iter().enumerate() {
        let y = row * i as f64 + 14.0;
        let (ink, weight) = if rung.kind == Kind::Run { ("var(--a)", " font-weight=700") } else { ("var(--ink)", "") };
        let _ = write!(
            svg,
            "<text x={} y={:.1} text-anchor=end{weight}>{}</text>",
            left - 10.0,
            y + 4.0,
            escape(&short(rung))
        );
        let Some(Estimate { value, interval }) = figures(rung).map(|f| f.get(Metric::Recall1)) else {
            let noted = rung.retrieval.map_or("not measured".into(), |r| format!("{:.3}, as noted", r.recall_1));
            let _ = write!(svg, "<text x={left} y={:.1} class=faint>{noted}</text>", y + 4.0);
            continue;
        };
        if let Some([low, high]) = interval {
            let _ = write!(
                svg,
                "<line x1={:.1} x2={:.1} y1={y} y2={y} stroke='{ink}' stroke-width=2 stroke-opacity='.55'/>",
                x(low),
                x(high)
            );
        }
        let _ = write!(
            svg,
            "<circle cx={:.1} cy={y} r=4.5 fill='{ink}'/><text x={:.1} y={:.1}{weight}>{value:.3}</text>",
            x(value),
            width - 48.0,
            y + 4.0
        );
    }
    svg += "</svg><figcaption>";
    for rung in rungs.iter().filter(|r| r.note.is_some()) {
        let _ = write!(svg, "{}: {}. ", escape(&rung.features), prose(rung.note.as_deref().unwrap_or_default()));
    }
    svg + "</figcaption></figure>"
}

/// A rung's name, without the run's folder, which may be long.
fn short(rung: &Rung) -> String {
    match rung.kind {
        Kind::Seed => "seed recipe".into(),
        _ => rung.features.clone(),
    }
}

fn measures(what: &str, rungs: &[Rung], figures: impl Fn(&Rung) -> Option<&Figures>) -> String {
    let Some(any) = rungs.iter().find_map(&figures) else { return String::new() };
    let mut table = format!(
        "<div class=wide><table><caption>{what}: {} queries of {} families</caption><tr><th>features",
        any.queries, any.families
    );
    for metric in Metric::ALL {
        let _ = write!(table, "<th>{}", metric.name());
    }
    for rung in rungs {
        let Some(found) = figures(rung) else { continue };
        let _ = write!(
            table,
            "<tr{}><td>{}",
            if rung.kind == Kind::Run { " class=run" } else { "" },
            escape(&rung.features)
        );
        for metric in Metric::ALL {
            let _ = write!(table, "<td>{}", estimate(found.get(metric)));
        }
    }
    table + "</table></div>"
}

fn estimate(e: Estimate) -> String {
    match e.interval {
        Some([low, high]) => format!("{:.3} <small>{low:.2} to {high:.2}</small>", e.value),
        None => format!("{:.3}", e.value),
    }
}

fn groups(by: &str, groups: &[Group]) -> String {
    if groups.is_empty() {
        return String::new();
    }
    let mut table = format!(
        "<div class=wide><table><caption>family by {by}</caption><tr><th>{by}<th>queries<th>families<th>Recall@1<th>mAP@R\
         <th>Recall@1 minus the best untouched"
    );
    for group in groups {
        let difference = group.difference.as_ref().map_or("".into(), |d| estimate(d[&Metric::Recall1]));
        let _ = write!(
            table,
            "<tr><td>{}<td>{}<td>{}<td>{}<td>{}<td>{difference}",
            escape(&group.name.replace('_', " ")),
            group.family.queries,
            group.family.families,
            estimate(group.family.get(Metric::Recall1)),
            estimate(group.family.get(Metric::MapR)),
        );
    }
    table + "</table></div>"
}

/// Queries with their nearest pictures: first those that found nothing, then some that did.
fn neighbours(answers: &Answers, dataset: &Dataset, gallery: &mut Gallery<'_>) -> Result<String> {
    let rows = &dataset.rows;
    let mut missed: Vec<_> = answers.family.iter().filter(|a| a.first > 1).collect();
    missed.sort_by_key(|a| std::cmp::Reverse(a.first));
    let found = answers.family.iter().filter(|a| a.first == 1);
    let half = QUERIES / 2;
    let shown: Vec<_> = missed.iter().take(half).copied().chain(found.take(half)).collect();
    let mut html = format!(
        "<h2>Queries and their nearest pictures</h2><p>The query is on the left, the nearest picture beside it. Those of its \
         family have a full green frame. The {} that missed {}come first, then {} that did not.</p>",
        missed.len().min(half),
        if missed.len() > half { format!("worst, of {}, ", missed.len()) } else { String::new() },
        shown.len() - missed.len().min(half)
    );
    for answer in shown {
        let Some((_, nearest)) = answers.nearest.iter().find(|(query, _)| *query == answer.query) else { continue };
        let query = &rows[answer.query];
        html += "<div class=asked>";
        html += &gallery.figure(answer.query, Shown::Query, query.bag_type.as_str())?;
        for near in nearest.iter().take(NEIGHBOURS) {
            let right = rows[*near].family.is_some() && rows[*near].family == query.family;
            let (shown, word) =
                if right { (Shown::Right, "its family") } else { (Shown::Other, rows[*near].bag_type.as_str()) };
            html += &gallery.figure(*near, shown, word)?;
        }
        let _ = write!(
            html,
            "<p>family <i>{}</i>, first found at place {}</p></div>",
            escape(query.family.as_deref().unwrap_or("")),
            answer.first
        );
    }
    Ok(html)
}

fn classification(classes: &Classification, dataset: &Dataset, gallery: &mut Gallery<'_>) -> Result<String> {
    let mut html = format!(
        "<h2>Is the type told?</h2><p>The softmax is right on {} of the {} pictures that ask{}.</p><div class=wide>{}</div>\
         <div class=wide><table><tr><th>class<th>pictures<th>precision<th>recall",
        estimate(classes.accuracy),
        classes.pictures,
        classes.strangers(),
        matrix(&classes.confusion)
    );
    let share = |value: Option<f64>| value.map_or("–".into(), |v| format!("{v:.3}"));
    for c in &classes.classes {
        let _ = write!(
            html,
            "<tr><td>{}<td>{}<td>{}<td>{}",
            escape(&c.class.title()),
            c.pictures,
            share(c.precision),
            share(c.recall)
        );
    }
    html += "</table></div>";
    if !classes.worst.is_empty() {
        html += "<h3>The surest mistakes</h3><div class=asked>";
        for mistake in &classes.worst {
            let actual = dataset.rows[mistake.row].bag_type.as_str();
            let said = format!("{actual}, taken for {} ({:.2})", mistake.predicted, mistake.probability);
            html += &gallery.figure(mistake.row, Shown::Other, &said)?;
        }
        html += "</div>";
    }
    Ok(html)
}

#[cfg(test)]
mod tests {
    use goodtwin_core::{BagType, ContentId, DatasetWriter, Row};
    use goodtwin_imaging::Picture;

    use super::*;
    use crate::bootstrap::Bootstrap;
    use crate::evaluation::{ClassFigures, Measured, Mistake, RunName};
    use crate::metrics::Confusion;
    use crate::retrieval::ask;

    /// `q` asks for `r`, which a second offer shows under no family, and lies between two others.
    fn dataset(root: &std::path::Path) -> Dataset {
        let writer = DatasetWriter::create(root).unwrap();
        let row = |shade: u8, family: Option<&str>, split| {
            let bytes = Picture::new(16, 16, vec![shade; 768]).to_png();
            let sha256 = ContentId::of(&bytes);
            Row {
                family: family.map(String::from),
                title: Some(shade.to_string()),
                ..Row::new(
                    writer.add_image(&bytes, &sha256, "png").unwrap(),
                    sha256,
                    [8, 8],
                    BagType::new("tote"),
                    split,
                )
            }
        };
        let rows = vec![
            row(0, Some("f"), Split::Test),
            row(50, Some("g"), Split::Train),
            row(100, None, Split::Train),
            row(100, Some("f"), Split::Train),
            row(150, None, Split::Validation),
        ];
        let mut made = writer.finish(rows.clone(), Default::default(), "by hand".into(), vec![]).unwrap();
        made.rows = rows;
        made
    }

    fn answers(dataset: &Dataset) -> Answers {
        let at = |degrees: f32| vec![degrees.to_radians().cos(), degrees.to_radians().sin()];
        ask(&dataset.rows, &[0.0, 10.0, 20.0, 20.0, 30.0].map(at), &[0])
    }

    /// The classes of the pictures and the words below them, in order.
    fn shown(html: &str) -> Vec<(&str, &str)> {
        let between = |text: &'_ str, from: &str, to: &str| -> Option<(usize, usize)> {
            let start = text.find(from)? + from.len();
            Some((start, start + text[start..].find(to)?))
        };
        html.split("<figure>")
            .skip(1)
            .map(|figure| {
                let (class, words) = (between(figure, "<img class=", " "), between(figure, "<figcaption>", "<"));
                let (class, words) = (class.unwrap(), words.unwrap());
                (&figure[class.0..class.1], &figure[words.0..words.1])
            })
            .collect()
    }

    #[test]
    fn the_neighbours_of_the_family_are_framed_and_no_others() {
        let dir = tempfile::tempdir().unwrap();
        let dataset = dataset(&dir.path().join("d"));
        let html = neighbours(&answers(&dataset), &dataset, &mut Gallery::new(&dataset)).unwrap();
        assert_eq!(shown(&html), [("query", "tote"), ("other", "tote"), ("right", "its family"), ("other", "tote")]);
        assert!(
            html.contains("first found at place 2") && html.contains("The 1 that missed come first, then 0"),
            "{html}"
        );
    }

    #[test]
    fn mistakes_are_shown_with_what_they_were_taken_for() {
        let dir = tempfile::tempdir().unwrap();
        let dataset = dataset(&dir.path().join("d"));
        let classes = [BagType::new("clutch"), BagType::new("tote")];
        let figures =
            |class: &BagType| ClassFigures { class: class.clone(), pictures: 1, precision: None, recall: None };
        let classification = Classification {
            pictures: 3,
            accuracy: Estimate { value: 0.5, interval: None },
            classes: classes.iter().map(figures).collect(),
            confusion: Confusion::count(&classes, [(1, 0), (1, 1)]),
            right: vec![1],
            worst: vec![Mistake { row: 0, predicted: classes[0].clone(), probability: 0.9 }],
        };
        let html = super::classification(&classification, &dataset, &mut Gallery::new(&dataset)).unwrap();
        assert!(html.contains("of the 3 pictures that ask; 1 is of a type that the run does not know"), "{html}");
        let (_, mistakes) = html.split_once("<h3>The surest mistakes</h3>").unwrap();
        assert_eq!(shown(mistakes), [("other", "tote, taken for clutch (0.90)")]);
    }

    #[test]
    fn the_page_says_who_asks_and_what_the_run_knows_of_them() {
        let dir = tempfile::tempdir().unwrap();
        let dataset = dataset(&dir.path().join("d"));
        let says = |queries, trained_on: &ContentId, seen| {
            let run = RunName { name: "r".into(), model: ContentId::of("m"), dataset: Some(trained_on.clone()) };
            let (bootstrap, trunks) = (Bootstrap::default(), "VGG16".into());
            let rungs = vec![Rung::of("this run", Kind::Run, answers(&dataset), &dataset.rows, &bootstrap)];
            let measured = Measured {
                dataset: &dataset,
                run: Some(run),
                queries,
                seen,
                for_evaluation: Default::default(),
                trunks,
                size: 32,
                seeds: None,
                bootstrap,
                rungs,
                classification: None,
            };
            who_asks(&dataset, &measured.conclude())
        };
        let (own, other) = (dataset.id().clone(), ContentId::of("another set"));
        assert_eq!(
            says(Queries::HeldOut, &own, 0),
            "3 were trained on, 1 chose the epoch, 1 are held out with all of their families and ask."
        );
        assert_eq!(
            says(Queries::HeldOut, &other, 2),
            "the run was trained on another set. 2 do not ask, since it has seen them or what belongs with them; the other 3 do."
        );
        assert!(says(Queries::All, &own, 0).contains("does not say what the run finds of bags that it has not seen"));
        let all = says(Queries::All, &other, 0);
        assert!(
            all.ends_with("All ask, those as well that it may have seen there.") && !all.contains("trained on,"),
            "{all}"
        );
    }
}
