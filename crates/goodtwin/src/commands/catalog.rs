//! `goodtwin catalog`.

use crate::exit::Outcome;

/// Options.
#[derive(clap::Args)]
pub struct Args {}

/// Run the command.
pub fn run(_args: Args) -> Outcome {
    Ok(())
}
