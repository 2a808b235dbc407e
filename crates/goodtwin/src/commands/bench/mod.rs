//! `goodtwin bench`: where the time goes on this machine, as a table or as JSON.

mod embed;
mod scrape;
mod train;

use clap::Subcommand;

use crate::exit::Outcome;

/// What the tables' columns mean.
const DIRECT: &str = "direct: the operations of direct convolutions; the trunk's Winograd algorithm needs fewer, and may pass 100 % of matmul";

/// Options.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// From a photograph's file to its embedding, stage by stage: disk, decode, resize, trunk, head
    Embed(embed::Args),
    /// A training step, stage by stage: decode, resize, trunk, cache, head, optimiser
    Train(train::Args),
    /// Scrape a warehouse on this machine as fast as it goes: items and pictures a second, processor time, memory
    Scrape(scrape::Args),
}

/// Run the command.
pub fn run(args: Args) -> Outcome {
    match args.command {
        Command::Embed(args) => embed::run(args),
        Command::Train(args) => train::run(args),
        Command::Scrape(args) => scrape::run(&args),
    }
}
