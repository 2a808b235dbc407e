//! What users do with GoodTwin, done with the built binary.
//!
//! - [`pipeline`]: the demo's shops, scraped, trained on, searched, and looked at in a browser.
//! - [`ops`]: a crawl that runs from a timer: its logs, metrics, answers and alarms.
//! - [`ratings`]: ratings of brands, from import to stale.
//! - [`stores`]: the files of stores: listed, tried on the demo's shops, drafted.
//! - [`real_photographs`]: real pictures of bags, from import to search.
//! - [`bad_input`]: what each command says of what it cannot use, and with which exit code.
//! - [`benches`]: `bench embed` and `bench train`: figures that are whole and add up.
//! - [`conform`]: the golden cases of each suite of `goodtwin conform`.
//! - [`training`]: runs that repeat, go on after a kill, and say why they stop.
//! - [`kills`]: `kill -9` while it scrapes, at thirty moments of a seed's choice; nothing is lost, nothing asked twice.
//! - [`interruptions`]: SIGTERM, a second run at once, a full disk, a browser whose run is killed.
//! - [`demo_script`]: `./scripts/demo --once`, from the shops to the page; a second demo beside a first.
//! - [`scripts`]: what people run says how before any work, and ends what it started.
//! - [`trunks`]: ResNet-50 in place of VGG16, from the import of its weights to a search.
//! - [`trust`]: leaks across a split are found, runs that cannot be compared are not.
//! - [`support`]: how the binary, the shops and the browser are run.

mod bad_input;
mod benches;
mod conform;
mod demo_script;
mod interruptions;
mod kills;
mod ops;
mod pipeline;
mod ratings;
mod real_photographs;
mod scripts;
mod stores;
mod support;
mod training;
mod trunks;
mod trust;
