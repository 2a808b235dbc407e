//! `goodtwin`: finds kinder twins of a bag, from scrape to web page.
//!
//! One file a subcommand in [`commands`]; what they do lives in the crates. [`exit`] is the one table that turns every
//! crate's errors into exit codes, [`signals`] the one way to be ended.

mod commands;
mod exit;
mod signals;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Finds bags that look like the one in a picture, from brands that Good On You rates well, or second-hand.
#[derive(Parser)]
#[command(name = "goodtwin", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Collect items and images of shops into datasets/, politely
    Scrape(commands::scrape::Args),
    /// Keep what Good On You says of brands, with its history
    Ratings(commands::ratings::Args),
    /// List the stores that can be scraped, try their files on them, draft a file for another one
    Stores(commands::stores::Args),
    /// Make a data set: from a scrape, or from a folder of pictures
    Dataset(commands::dataset::Args),
    /// Fine-tune the top of VGG16, or of ResNet-50, on a data set
    Train(commands::train::Args),
    /// Bring in the weights of a second trunk
    Weights(commands::weights::Args),
    /// Measure a run on held-out families, beside the untouched trunk
    Eval(commands::eval::Args),
    /// List runs, compare two, pool the parts of a cross-validation
    Runs(commands::runs::Args),
    /// Make the catalogue of embeddings that search and serve read
    Catalog(commands::catalog::Args),
    /// Find twins of a photo
    Search(commands::search::Args),
    /// Serve the web page
    Serve(commands::serve::Args),
    /// Answer test cases, one JSON line each, with the functions that scrape uses
    Conform(commands::conform::Args),
    /// Where the time goes on this machine
    Bench(commands::bench::Args),
    /// Serve the demo's four stores on loopback
    Demo(commands::demo::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    exit::init_logging();
    let done = match cli.command {
        Command::Scrape(args) => commands::scrape::run(args),
        Command::Ratings(args) => commands::ratings::run(args),
        Command::Stores(args) => commands::stores::run(args),
        Command::Dataset(args) => commands::dataset::run(args),
        Command::Train(args) => commands::train::run(args),
        Command::Weights(args) => commands::weights::run(args),
        Command::Eval(args) => commands::eval::run(args),
        Command::Runs(args) => commands::runs::run(args),
        Command::Catalog(args) => commands::catalog::run(args),
        Command::Search(args) => commands::search::run(args),
        Command::Serve(args) => commands::serve::run(args),
        Command::Conform(args) => commands::conform::run(args),
        Command::Bench(args) => commands::bench::run(args),
        Command::Demo(args) => commands::demo::run(args),
    };
    exit::report(done)
}
