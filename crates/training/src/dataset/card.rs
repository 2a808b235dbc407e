//! What a data set is, for people and for machines: `README.md` with Hugging Face's front matter, and `croissant.json`
//! (MLCommons Croissant 1.0). Both are written from the rows; nothing in them is typed by hand.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use goodtwin_core::{ContentId, Dataset, Row, Split, atomic};
use serde_json::{Value, json};

use super::Result;
use super::check::Checked;

/// What Croissant is told where no source states a licence.
const NO_LICENCE: &str = "not stated: the pictures belong to their makers";
/// How many brands the card names.
const BRANDS: usize = 40;

/// Write both files into `folder`: the data set's, or where it waits to take its place.
pub fn write(folder: &Path, dataset: &Dataset, checked: &Checked) -> Result<()> {
    atomic::write(&folder.join("README.md"), markdown(dataset, checked).as_bytes())?;
    let croissant = serde_json::to_vec_pretty(&croissant(dataset)).expect("a JSON value serialises");
    Ok(atomic::write(&folder.join("croissant.json"), &croissant)?)
}

fn name(dataset: &Dataset) -> String {
    dataset.root.file_name().map_or("data set".into(), |n| n.to_string_lossy().into_owned())
}

/// `README.md`. What strangers wrote is text: it cannot end the front matter, a cell or a line.
fn markdown(dataset: &Dataset, checked: &Checked) -> String {
    let rows = &dataset.rows;
    let mut text = format!(
        "---\npretty_name: {}\ntask_categories:\n- image-classification\n- image-feature-extraction\ntags:\n- bags\n- goodtwin\n\
         size_categories:\n- {}\nlicense: {}\nconfigs:\n- config_name: default\n  data_files: metadata.jsonl\n---\n\n",
        Value::from(name(dataset)),
        size_category(rows.len()),
        front_matter_licence(rows),
    );
    let _ = writeln!(text, "# {}\n", cell(&name(dataset)));
    let families = count(rows, |r| r.family.clone());
    let several = families.values().filter(|n| **n > 1).count();
    let _ = writeln!(
        text,
        "{} pictures of {} types, {} in {} families of more than one picture. Content id `{}`.\n",
        rows.len(),
        dataset.manifest.counts.len(),
        families.values().filter(|n| **n > 1).sum::<usize>(),
        several,
        dataset.id(),
    );
    let _ = writeln!(text, "Split {}. {}\n", cell(&dataset.manifest.split), both_sides(checked));
    text += "| type | train | validation | test |\n|---|---|---|---|\n";
    for (class, counts) in &dataset.manifest.counts {
        let of = |split| counts.get(&split).copied().unwrap_or(0);
        let (train, validation, test) = (of(Split::Train), of(Split::Validation), of(Split::Test));
        let _ = writeln!(text, "| {} | {train} | {validation} | {test} |", cell(class.as_str()));
    }
    let sizes: Vec<u32> = sorted(rows.iter().map(|r| r.width.max(r.height)));
    let _ = writeln!(
        text,
        "\nLonger side: {} to {} pixels, median {}.\n",
        sizes.first().unwrap_or(&0),
        sizes.last().unwrap_or(&0),
        sizes.get(sizes.len() / 2).unwrap_or(&0)
    );
    text += &table("ground", &count(rows, |r| r.background.clone()));
    text += &table("brand", &count(rows, |r| r.brand.clone()));
    text += &table("source", &count(rows, |r| r.source.clone()));
    text += "## Licence\n\n";
    text += &match licences(rows) {
        none if none.is_empty() => {
            "No source states a licence: the pictures belong to their makers and shops. Do not publish them.\n\n"
                .to_string()
        }
        some => {
            let silent = rows.iter().filter(|r| r.licence.is_none()).count();
            let about = match silent {
                0 => String::new(),
                n => {
                    format!("{n} pictures state none: they belong to their makers and shops. Do not publish them.\n\n")
                }
            };
            table("licence", &some) + &about
        }
    };
    let dates = sorted(rows.iter().filter_map(|r| Some(r.item.as_ref()?.rating.as_ref()?.as_of.to_string())));
    if let (Some(first), Some(last)) = (dates.first(), dates.last()) {
        let _ = writeln!(text, "Brands' ratings are as of {first} to {last}.\n");
    }
    let parents: Vec<String> = dataset.manifest.parents.iter().map(|(what, id)| format!("{what} `{id}`")).collect();
    let _ = writeln!(
        text,
        "## Made from\n\n{}.\n",
        if parents.is_empty() { "Nothing that was noted".into() } else { parents.join(", ") }
    );
    let causes = dataset.manifest.left_out.iter().fold(BTreeMap::new(), |mut causes: BTreeMap<String, usize>, one| {
        *causes.entry(one.cause.clone()).or_default() += 1;
        causes
    });
    text += &table("left out by cause", &causes);
    text
}

fn both_sides(checked: &Checked) -> String {
    match checked.total() {
        0 => "No family, offer, page or shot is in two splits; `goodtwin dataset check` looks again.".into(),
        n => format!(
            "**On both sides of the split: {n} pairs ({}).** What was learned by heart asks, and figures are too high; \
             `goodtwin dataset check` names the pairs.",
            checked.kinds()
        ),
    }
}

fn sorted<T: Ord>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut values: Vec<T> = values.collect();
    values.sort();
    values
}

fn licences(rows: &[Row]) -> BTreeMap<String, usize> {
    count(rows, |r| r.licence.clone())
}

/// What Hugging Face's front matter has for them: a name of its own list where all pictures have that one.
fn front_matter_licence(rows: &[Row]) -> String {
    const KNOWN: [&str; 12] = [
        "apache-2.0",
        "cc-by-2.0",
        "cc-by-3.0",
        "cc-by-4.0",
        "cc-by-nc-4.0",
        "cc-by-nc-sa-4.0",
        "cc-by-nd-4.0",
        "cc-by-sa-3.0",
        "cc-by-sa-4.0",
        "cc0-1.0",
        "mit",
        "pddl",
    ];
    let licences = licences(rows);
    let Some((one, pictures)) = licences.first_key_value() else { return "unknown".into() };
    let one = one.to_lowercase().replace(' ', "-");
    match licences.len() == 1 && *pictures == rows.len() && KNOWN.contains(&one.as_str()) {
        true => one,
        false => "other".into(),
    }
}

fn count(rows: &[Row], of: impl Fn(&Row) -> Option<String>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for value in rows.iter().filter_map(of) {
        *counts.entry(value).or_default() += 1;
    }
    counts
}

/// The most frequent first; empty where nothing is known.
fn table(what: &str, counts: &BTreeMap<String, usize>) -> String {
    if counts.is_empty() {
        return String::new();
    }
    let mut by_count: Vec<(&String, &usize)> = counts.iter().collect();
    by_count.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let mut text = format!("| {what} | pictures |\n|---|---|\n");
    for (value, n) in by_count.iter().take(BRANDS) {
        let _ = writeln!(text, "| {} | {n} |", cell(value));
    }
    if by_count.len() > BRANDS {
        let rest: usize = by_count[BRANDS..].iter().map(|(_, n)| **n).sum();
        let _ = writeln!(text, "| {} others | {rest} |", by_count.len() - BRANDS);
    }
    text + "\n"
}

/// Text of a stranger in a table's cell.
fn cell(text: &str) -> String {
    goodtwin_core::terminal::one_line(text).replace('|', "\\|").replace('<', "&lt;").replace('`', "'")
}

fn size_category(pictures: usize) -> &'static str {
    match pictures {
        0..1_000 => "n<1K",
        1_000..10_000 => "1K<n<10K",
        10_000..100_000 => "10K<n<100K",
        100_000..1_000_000 => "100K<n<1M",
        _ => "n>1M",
    }
}

/// The Croissant description: files, and the fields of each row.
fn croissant(dataset: &Dataset) -> Value {
    let field = |column: &str, kind: &str, what: &str| {
        json!({
            "@type": "cr:Field", "@id": format!("pictures/{column}"), "name": column, "description": what, "dataType": kind,
            "source": {"fileObject": {"@id": "metadata.jsonl"}, "extract": {"column": column}}
        })
    };
    // The id of a data set is the SHA-256 of this file.
    let metadata: &ContentId = dataset.id();
    let licence: Vec<String> = licences(&dataset.rows).into_keys().collect();
    let mut fields = vec![
        field("file_name", "sc:Text", "Path of the picture below this folder."),
        field("sha256", "sc:Text", "SHA-256 of the picture's bytes."),
        field("width", "sc:Integer", "Pixels, upright."),
        field("height", "sc:Integer", "Pixels, upright."),
        field("bag_type", "sc:Text", "The class."),
        field("split", "sc:Text", "train, validation or test."),
        field("family", "sc:Text", "The same model in other colours or views; empty where there is only one."),
    ];
    // A reader fails on a column that no row has.
    if !licence.is_empty() {
        fields.push(field("licence", "sc:Text", "What its maker gives it, where that is known."));
    }
    json!({
        "@context": context(),
        "@type": "sc:Dataset",
        "name": name(dataset),
        "description": format!(
            "{} pictures of {} types of bags, split {}.",
            dataset.rows.len(),
            dataset.manifest.counts.len(),
            dataset.manifest.split
        ),
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "license": if licence.is_empty() { vec![NO_LICENCE.to_string()] } else { licence },
        "url": format!("urn:sha256:{metadata}"),
        "version": "1.0.0",
        "distribution": [
            {
                "@type": "cr:FileObject", "@id": "metadata.jsonl", "name": "metadata.jsonl",
                "description": "One line a picture and offer.", "contentUrl": "metadata.jsonl",
                "encodingFormat": "application/jsonlines", "sha256": metadata.as_str()
            },
            {
                "@type": "cr:FileSet", "@id": "images", "name": "images",
                "description": "The original bytes, under their SHA-256.",
                "encodingFormat": "image/*", "includes": "images/*/*"
            }
        ],
        "recordSet": [{
            "@type": "cr:RecordSet", "@id": "pictures", "name": "pictures", "description": "One row a picture and offer.",
            "field": fields
        }]
    })
}

/// The context that Croissant 1.0 prescribes.
fn context() -> Value {
    json!({
        "@language": "en", "@vocab": "https://schema.org/", "citeAs": "cr:citeAs", "column": "cr:column",
        "conformsTo": "dct:conformsTo", "cr": "http://mlcommons.org/croissant/", "rai": "http://mlcommons.org/croissant/RAI/",
        "data": {"@id": "cr:data", "@type": "@json"}, "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
        "dct": "http://purl.org/dc/terms/", "equivalentProperty": "cr:equivalentProperty",
        "examples": {"@id": "cr:examples", "@type": "@json"}, "extract": "cr:extract", "field": "cr:field",
        "fileProperty": "cr:fileProperty", "fileObject": "cr:fileObject", "fileSet": "cr:fileSet", "format": "cr:format",
        "includes": "cr:includes", "isLiveDataset": "cr:isLiveDataset", "jsonPath": "cr:jsonPath", "key": "cr:key",
        "md5": "cr:md5", "parentField": "cr:parentField", "path": "cr:path", "recordSet": "cr:recordSet",
        "references": "cr:references", "regex": "cr:regex", "repeated": "cr:repeated", "replace": "cr:replace",
        "samplingRate": "cr:samplingRate",
        "sc": "https://schema.org/", "separator": "cr:separator", "source": "cr:source", "subField": "cr:subField",
        "transform": "cr:transform"
    })
}

#[cfg(test)]
mod tests {
    use goodtwin_core::BagType;
    use goodtwin_core::dataset::DatasetManifest;

    use super::*;

    #[test]
    fn words_of_strangers_are_text_and_counts_are_counted() {
        let row = |n: usize, brand: &str| Row {
            family: Some("f".into()),
            brand: Some(brand.into()),
            ..Row::new(
                n.to_string(),
                ContentId::of(n.to_string()),
                [10 + n as u32, 5],
                BagType::new("tote"),
                Split::Train,
            )
        };
        let manifest = DatasetManifest {
            format: 1,
            id: ContentId::of("rows"),
            parents: BTreeMap::from([("crawl".into(), ContentId::of("c"))]),
            split: "by family".into(),
            counts: BTreeMap::from([(BagType::new("tote"), BTreeMap::from([(Split::Train, 2)]))]),
            left_out: vec![],
        };
        let rows = vec![row(1, "Evil |\n---\n<script>"), row(2, "Evil |\n---\n<script>")];
        let dataset = Dataset { root: "datasets/it's".into(), manifest, rows };
        let text = markdown(&dataset, &Checked::default());
        assert!(text.starts_with("---\npretty_name: \"it's\"\n") && text.contains("license: unknown\n"), "{text}");
        assert!(text.contains("| Evil \\| --- &lt;script> | 2 |\n"), "{text}");
        assert!(
            text.contains("| tote | 2 | 0 | 0 |") && text.contains("Longer side: 11 to 12 pixels, median 12."),
            "{text}"
        );
        assert!(text.contains("No source states a licence"), "{text}");
        let mut licensed = dataset.clone();
        licensed.rows[0].licence = Some("CC BY 4.0".into());
        let some = markdown(&licensed, &Checked::default());
        assert!(
            some.contains("license: other\n") && some.contains("| CC BY 4.0 | 1 |\n\n1 pictures state none"),
            "{some}"
        );
        licensed.rows[1].licence = Some("CC BY 4.0".into());
        assert!(markdown(&licensed, &Checked::default()).contains("license: cc-by-4.0\n"));
        let described = croissant(&licensed);
        assert_eq!(described["license"], json!(["CC BY 4.0"]));
        let croissant = croissant(&dataset);
        assert_eq!(croissant["distribution"][0]["sha256"], ContentId::of("rows").as_str());
    }
}
