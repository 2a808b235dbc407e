//! Ratings of brands: imported whole or not at all, listed with their history, and said to be stale.

use std::path::Path;

use crate::support::{Ended, goodtwin, run};

fn ratings(book: &Path, args: &[&str]) -> Ended {
    run(goodtwin(["ratings"]).args(args).arg("--book").arg(book))
}

#[test]
fn a_book_is_kept_from_the_first_import_to_the_stale_rating() {
    let dir = tempfile::tempdir().unwrap();
    let book = dir.path().join("ratings.jsonl");
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_string()
    };
    let none = ratings(&book, &["list"]);
    assert_eq!(none.code, 65);
    assert!(none.stderr.contains("goodtwin ratings import"), "{}", none.stderr);

    let first = file(
        "first.csv",
        "Brand,Label,As of,Source,Planet\nSandqvist,Good,2023-05-01,https://r.example/s,4\nHerschel,Not good enough,2023-05-01,https://r.example/h,\n",
    );
    let imported = ratings(&book, &["import", &first]).ok();
    assert!(imported.stdout.contains("2 ratings added, 0 known already; 2 brands are new"), "{}", imported.stdout);
    let before = std::fs::read_to_string(&book).unwrap();
    let one = file("one.csv", "brand,label,as_of,source\nRains,Good,2025-01-01,s\n");
    let alone = ratings(&dir.path().join("alone.jsonl"), &["import", &one]).ok();
    assert!(alone.stdout.contains("1 rating added, 0 known already; 1 brand is new"), "{}", alone.stdout);
    let again = ratings(&book, &["import", &first]).ok();
    assert!(again.stdout.contains("0 ratings added, 2 known already"), "{}", again.stdout);
    assert_eq!(std::fs::read_to_string(&book).unwrap(), before);

    let wrong = file("wrong.csv", "brand,label,as_of,source\nRains,Good,2025-01-01,s\nKayu,Fine,2025-13-01,s\n");
    let refused = ratings(&book, &["import", &wrong]);
    assert_eq!(refused.code, 65);
    for words in [
        "wrong.csv",
        "nothing was imported",
        "line 3, column 2 (label): `Fine`",
        "line 3, column 3 (as_of): `2025-13-01`",
    ] {
        assert!(refused.stderr.contains(words), "{words:?} is not in:\n{}", refused.stderr);
    }
    assert_eq!(std::fs::read_to_string(&book).unwrap(), before, "all or nothing");

    let second = file(
        "second.jsonl",
        "{\"brand\":\"SANDQVIST\",\"label\":\"It's a start\",\"as_of\":\"2024-10-02\",\"source\":\"https://r.example/s\"}\n\
         {\"brand\":\"Sandqvist\",\"label\":\"Good\",\"as_of\":\"2026-02-01\",\"source\":\"https://r.example/s\"}\n",
    );
    let imported = ratings(&book, &["import", &second]).ok();
    assert!(imported.stdout.contains("0 brands are new, 1 moved, 1 changed with the method"), "{}", imported.stdout);
    assert!(std::fs::read_to_string(&book).unwrap().starts_with(&before), "what was written stays");

    let listed = ratings(&book, &["list", "--brand", "sandqvist ab", "--history"]).ok();
    let lines: Vec<&str> = listed.stdout.lines().collect();
    assert!(
        lines[1].contains("Good") && lines[1].contains("2023-05-01") && lines[1].contains("4/5"),
        "{}",
        listed.stdout
    );
    assert!(lines[2].contains("the method changed"), "{}", listed.stdout);
    assert!(lines[3].contains("the brand moved") && lines[3].contains("https://r.example/s"), "{}", listed.stdout);
    let alias = ratings(&book, &["list", "--brand", "Herschel Supply Co."]).ok();
    assert!(alias.stdout.contains("Not good enough"), "{}", alias.stdout);
    let near = ratings(&book, &["list", "--brand", "Sandquist"]);
    assert_eq!(near.code, 2);
    assert!(near.stderr.contains("a name much like it, Sandqvist, has one"), "{}", near.stderr);

    let stale = ratings(&book, &["stale", "--months", "18", "--on", "2026-11-23"]);
    assert_eq!(stale.code, 3, "{}", stale.stderr);
    assert!(stale.stdout.contains("Herschel") && !stale.stdout.contains("qvist"), "{}", stale.stdout);
    ratings(&book, &["stale", "--months", "60", "--on", "2026-11-23"]).ok();
}
