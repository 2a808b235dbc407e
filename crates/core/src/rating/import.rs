//! Ratings that somebody collected, as CSV or as JSON lines. A file is read whole, and either all of it is right or every
//! place that is not is named.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::Path;

use jiff::civil::Date;

use super::Rating;
use crate::dataset::in_line;
use crate::{BrandName, Error, Result, config};

/// The columns of a CSV file, and the keys of a JSON line.
const COLUMNS: [&str; 8] = ["brand", "label", "as_of", "source", "epoch", "planet", "people", "animals"];

/// Those that every row has.
const REQUIRED: [&str; 4] = ["brand", "label", "as_of", "source"];

/// More faults than this are counted, not named.
const NAMED: usize = 20;

/// A row before it was checked: each value with the place that it came from.
type Fields<'a> = BTreeMap<&'static str, (String, &'a str)>;

/// Read a file of ratings. It is JSON lines if its first line opens with a brace, and CSV with a header line if not; fields are
/// parted by the one of `,`, `;` and tab that the header has most of.
///
/// # Errors
/// Exit 65, naming each wrong place by line and column with what was expected; `today` is the last day a rating may be of.
pub fn read(path: &Path, today: Date) -> Result<Vec<Rating>> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::read(path, "ratings file", e))?;
    parse(&text, today).map_err(|faults| {
        let more = faults.len().saturating_sub(NAMED);
        let named = faults[..faults.len() - more].join("\n  ");
        let more = if more > 0 { format!("\n  and {more} more") } else { String::new() };
        Error::data(path, format!("nothing was imported:\n  {named}{more}"))
    })
}

/// [`read`] of a text: the ratings, or all faults.
fn parse(text: &str, today: Date) -> Result<Vec<Rating>, Vec<String>> {
    let text = text.trim_start_matches('\u{feff}');
    let rows = if text.trim_start().starts_with('{') { json_lines(text) } else { csv(text) };
    let mut faults = Vec::new();
    let mut ratings: Vec<(usize, Rating)> = Vec::new();
    for row in rows {
        match row.and_then(|(line, rating)| check(line, rating, today)) {
            Ok(row) => ratings.push(row),
            Err(mut wrong) => faults.append(&mut wrong),
        }
    }
    faults.extend(contradictions(&ratings));
    if ratings.is_empty() && faults.is_empty() {
        faults.push("it has no ratings: expected a line for each".into());
    }
    if faults.is_empty() { Ok(ratings.into_iter().map(|(_, rating)| rating).collect()) } else { Err(faults) }
}

type Line = Result<(usize, Rating), Vec<String>>;

fn json_lines(text: &str) -> Vec<Line> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(n, line)| {
            let rating = serde_json::from_str(line).map(|rating| (n + 1, rating));
            rating.map_err(|e| vec![format!("{}; expected {}", in_line(n + 1, &e), REQUIRED.join(", "))])
        })
        .collect()
}

fn csv(text: &str) -> Vec<Line> {
    let header = text.lines().next().unwrap_or_default();
    let delimiter = b",;\t".iter().copied().max_by_key(|d| (header.bytes().filter(|b| b == d).count(), *d == b','));
    let mut reader = ::csv::ReaderBuilder::new()
        .delimiter(delimiter.unwrap_or(b','))
        .trim(::csv::Trim::All)
        .from_reader(text.as_bytes());
    let columns = match reader.headers().map_err(|e| vec![not_csv(&e)]).and_then(header_columns) {
        Ok(columns) => columns,
        Err(faults) => return vec![Err(faults)],
    };
    reader.records().map(|record| row(&record.map_err(|e| vec![not_csv(&e)])?, &columns)).collect()
}

fn not_csv(error: &::csv::Error) -> String {
    let line = error.position().map(|p| format!("line {}: ", p.line())).unwrap_or_default();
    match error.kind() {
        ::csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{line}{len} fields: expected {expected_len}, as the first line has")
        }
        _ => format!("{line}{error}"),
    }
}

/// Which of our columns each of the file's is.
fn header_columns(header: &::csv::StringRecord) -> Result<Vec<&'static str>, Vec<String>> {
    let mut faults = Vec::new();
    let mut columns = Vec::new();
    for (n, name) in header.iter().enumerate() {
        let plain = name.to_lowercase().replace([' ', '-'], "_");
        let plain = match plain.as_str() {
            "date" | "as_of_date" => "as_of",
            "methodology" | "methodology_epoch" => "epoch",
            other => other,
        };
        match COLUMNS.into_iter().find(|known| *known == plain) {
            Some(known) if columns.contains(&known) => {
                faults.push(format!("line 1, column {}: `{name}` is there twice", n + 1));
            }
            Some(known) => columns.push(known),
            None => {
                let hint = config::nearest(plain, COLUMNS).map(|n| format!("; did you mean `{n}`? Expected"));
                let hint = hint.unwrap_or(": expected".into());
                let known = COLUMNS.join(", ");
                faults.push(format!("line 1, column {}: unknown column `{name}`{hint} {known}", n + 1));
            }
        }
    }
    for required in REQUIRED {
        if faults.is_empty() && !columns.contains(&required) {
            faults.push(format!("line 1: no column `{required}`: expected {}", REQUIRED.join(", ")));
        }
    }
    if faults.is_empty() { Ok(columns) } else { Err(faults) }
}

fn row(record: &::csv::StringRecord, columns: &[&'static str]) -> Line {
    let line = record.position().map_or(0, ::csv::Position::line) as usize;
    let places: Vec<String> =
        columns.iter().enumerate().map(|(n, name)| format!("line {line}, column {} ({name})", n + 1)).collect();
    let fields: Fields<'_> = columns
        .iter()
        .zip(record.iter().zip(&places))
        .map(|(column, (value, place))| (*column, (value.to_string(), place.as_str())))
        .collect();
    let mut faults = Vec::new();
    let (label, as_of) = (value(&fields, "label", &mut faults), value(&fields, "as_of", &mut faults));
    let scores = ["planet", "people", "animals"].map(|name| optional(&fields, name, &mut faults));
    let text = |name| fields.get(name).map(|(value, _)| value.clone()).unwrap_or_default();
    match (label, as_of) {
        (Some(label), Some(Day(as_of))) if faults.is_empty() => {
            let [planet, people, animals] = scores;
            let epoch = Some(text("epoch")).filter(|epoch| !epoch.is_empty());
            let (brand, source) = (text("brand"), text("source"));
            Ok((line, Rating { brand, label, as_of, source, epoch, planet, people, animals }))
        }
        _ => Err(faults),
    }
}

/// A day as ISO 8601 has it.
struct Day(Date);

impl std::str::FromStr for Day {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Day).map_err(|_| format!("`{text}` is no day: expected one such as 2026-03-17"))
    }
}

fn value<T: std::str::FromStr<Err: Display>>(fields: &Fields<'_>, name: &str, faults: &mut Vec<String>) -> Option<T> {
    let (value, place) = fields.get(name)?;
    value.parse().map_err(|e| faults.push(format!("{place}: {e}"))).ok()
}

fn optional<T: std::str::FromStr<Err: Display>>(
    fields: &Fields<'_>,
    name: &str,
    faults: &mut Vec<String>,
) -> Option<T> {
    let given = fields.get(name).is_some_and(|(value, _)| !value.is_empty());
    if given { value(fields, name, faults) } else { None }
}

/// What no type says: names and sources are there, no day is yet to come.
fn check(line: usize, rating: Rating, today: Date) -> Line {
    let mut faults = Vec::new();
    if BrandName::new(&rating.brand).is_empty() {
        faults.push(format!("line {line}: brand is `{}`: expected a name with letters or digits", rating.brand));
    }
    if rating.source.trim().is_empty() {
        faults.push(format!("line {line}: source is empty: expected the address of a page or the name of a file"));
    }
    if rating.as_of > today {
        faults.push(format!("line {line}: as_of is {}: expected no day after {today}", rating.as_of));
    }
    if faults.is_empty() { Ok((line, rating)) } else { Err(faults) }
}

/// A file that says two things of one brand on one day by one method is wrong somewhere.
fn contradictions(ratings: &[(usize, Rating)]) -> Vec<String> {
    let mut first: BTreeMap<(BrandName, Date, Option<&str>), &(usize, Rating)> = BTreeMap::new();
    let mut faults = Vec::new();
    for row in ratings {
        let (line, rating) = row;
        let key = (BrandName::new(&rating.brand), rating.as_of, rating.epoch.as_deref());
        let (earlier, other) = *first.entry(key).or_insert(row);
        if (other.label, other.planet, other.people, other.animals)
            != (rating.label, rating.planet, rating.people, rating.animals)
        {
            faults.push(format!(
                "line {line}: {} was \"{}\" on {} and not what line {earlier} says: expected one rating a brand and day",
                rating.brand, rating.label, rating.as_of
            ));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::super::Label;
    use super::*;

    const TODAY: Date = Date::constant(2026, 11, 23);

    fn faults(text: &str) -> Vec<String> {
        parse(text, TODAY).unwrap_err()
    }

    #[test]
    fn csv_and_json_lines_say_the_same() {
        let csv = "\u{feff}Brand;Label;As of;Source;Methodology epoch;Planet;People;Animals\r\n\
                   \"Elvis; & \"\"Kresse\"\"\";its a start;2025-02-12;https://r.example/e;2024-10;4;3 out of 5;\r\n\
                   Rains;Good;2025-01-01;https://r.example/r;;;;\r\n";
        let json = "{\"brand\":\"Elvis; & \\\"Kresse\\\"\",\"label\":\"It's a start\",\"as_of\":\"2025-02-12\",\
                    \"source\":\"https://r.example/e\",\"epoch\":\"2024-10\",\"planet\":4,\"people\":3}\n\n\
                    {\"brand\":\"Rains\",\"label\":\"Good\",\"as_of\":\"2025-01-01\",\"source\":\"https://r.example/r\"}";
        let ratings = parse(csv, TODAY).unwrap();
        assert_eq!(ratings, parse(json, TODAY).unwrap());
        assert_eq!((ratings.len(), ratings[0].label), (2, Label::ItsAStart));
        assert_eq!(ratings[0].people.unwrap().to_string(), "3/5");
        let tabs = "brand\tlabel\tdate\tsource\nA, B & C\tGood\t2025-01-01\ts\n";
        assert_eq!(parse(tabs, TODAY).unwrap()[0].brand, "A, B & C");
    }

    #[test]
    fn every_wrong_place_is_named_with_what_was_expected() {
        let text = "brand,label,as_of,source,planet\nAble,Superb,2025-01-01,s,\n,Good,01/02/2025,s,9\nRains,Good,2025-01-01,,\n\
                    Kayu,Good,2027-01-01,s,\nKayu,Good\n";
        let faults = faults(text);
        for (fault, expected) in faults.iter().zip([
            "line 2, column 2 (label): `Superb` is not one of Good On You's labels: expected \"We avoid\"",
            "line 3, column 3 (as_of): `01/02/2025` is no day: expected one such as 2026-03-17",
            "line 3, column 5 (planet): `9` is no score: expected a whole number from 1 to 5",
            "line 4: source is empty: expected",
            "line 5: as_of is 2027-01-01: expected no day after 2026-11-23",
            "line 6: 2 fields: expected 5",
        ]) {
            assert!(fault.contains(expected), "{fault}\n{expected}");
        }
        assert_eq!(faults.len(), 6, "{faults:#?}");
    }

    #[test]
    fn a_header_says_what_the_columns_are() {
        assert_eq!(
            faults("brand,lable,as_of,source\n"),
            [format!(
                "line 1, column 2: unknown column `lable`; did you mean `label`? Expected {}",
                COLUMNS.join(", ")
            )]
        );
        assert!(faults("# Notes\n")[0].starts_with("line 1, column 1: unknown column `# Notes`: expected brand, "));
        assert!(faults("brand,label,source\n")[0].contains("no column `as_of`"));
        assert!(faults("brand,brand,label,source\n")[0].contains("`brand` is there twice"));
        assert!(faults("")[0].contains("line 1"));
        assert!(faults("brand,label,as_of,source\n")[0].contains("no ratings"));
    }

    #[test]
    fn a_line_of_json_is_named_by_line_and_column() {
        let line = |label: &str| {
            format!("{{\"brand\":\"A1\",\"label\":\"{label}\",\"as_of\":\"2025-01-01\",\"source\":\"s\"}}\n")
        };
        let text = line("Good")
            + &line("fine")
            + "{\"brand\":\"A2\"}\n{\"brnd\":\"A2\"}\n"
            + &line("Good").replace("}", "} x");
        let faults = faults(&text);
        assert!(faults[0].starts_with("line 2, column 28: `fine` is not one of"), "{}", faults[0]);
        assert!(
            faults[1].starts_with("line 3, column 14: missing field `label`; expected brand, label"),
            "{}",
            faults[1]
        );
        assert!(faults[2].starts_with("line 4, column 7: unknown field `brnd`"), "{}", faults[2]);
        assert!(faults[3].starts_with("line 5, column"), "{}", faults[3]);
    }

    #[test]
    fn a_file_does_not_contradict_itself() {
        let text =
            "brand,label,as_of,source\nAble,Good,2025-01-01,s\nABLE,Good,2025-01-01,t\nAble Inc.,Great,2025-01-01,s\n";
        let faults = faults(text);
        assert_eq!(faults.len(), 1);
        assert!(faults[0].starts_with("line 4: Able Inc. was \"Great\" on 2025-01-01"), "{}", faults[0]);
    }

    #[test]
    fn many_faults_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r.csv");
        let rows: String = (0..50).map(|n| format!("B{n},bad,2025-01-01,s\n")).collect();
        std::fs::write(&path, format!("brand,label,as_of,source\n{rows}")).unwrap();
        let error = read(&path, TODAY).unwrap_err();
        assert_eq!(error.exit_code(), 65);
        assert!(error.to_string().ends_with("and 30 more"), "{error}");
    }
}
