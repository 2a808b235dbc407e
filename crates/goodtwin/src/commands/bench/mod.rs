//! `goodtwin bench`: where the time goes on this machine, as a table or as JSON.

mod embed;
mod scrape;
mod train;

use clap::Subcommand;
use goodtwin_vision::roofline::{Bound, Peaks, Stage};

use crate::exit::{Outcome, say};

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

/// What stages are held against, and what the columns of [`stages`] mean.
fn peaks(peaks: &Peaks) -> Outcome {
    say(format_args!(
        "a matrix multiplication: {:.0} GFLOP/s; a copy: {:.1} GB/s",
        peaks.matmul_gflops, peaks.copy_gbytes
    ))?;
    if peaks.host_copy_gbytes != peaks.copy_gbytes {
        say(format_args!(
            "a copy in the computer's memory, where pictures are read, decoded and resized: {:.1} GB/s",
            peaks.host_copy_gbytes
        ))?;
    }
    say(
        "direct: the operations of direct convolutions; the trunk's Winograd algorithm needs fewer, and may pass 100 % of matmul",
    )
}

/// A line a stage, below `title`.
fn stages<'a>(title: &str, stages: impl IntoIterator<Item = &'a Stage>) -> Outcome {
    say(format_args!(
        "\n{title:<14} {:>10} {:>7} {:>14} {:>9}  bound by",
        "ms/picture", "share", "direct GFLOP/s", "of matmul"
    ))?;
    for stage in stages {
        let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".into());
        let bound = match stage.bound {
            Bound::Compute => "compute",
            Bound::Memory => "memory bandwidth",
            Bound::Decoder => "the decoder",
            Bound::Files => "files, here in the system's cache",
        };
        let explained = match stage.explained < 1.0 {
            true => format!(", which explains {:.0} %", 100.0 * stage.explained),
            false => String::new(),
        };
        say(format_args!(
            "{:<14} {:>10.3} {:>6.1}% {:>14} {:>9}  {bound}{explained}",
            stage.name,
            stage.ms,
            100.0 * stage.share,
            or_dash(stage.direct_gflops.map(|g| format!("{g:.0}"))),
            or_dash(stage.of_matmul.map(|p| format!("{:.0}%", 100.0 * p))),
        ))?;
    }
    Ok(())
}

/// Run the command.
pub fn run(args: Args) -> Outcome {
    match args.command {
        Command::Embed(args) => embed::run(args),
        Command::Train(args) => train::run(args),
        Command::Scrape(args) => scrape::run(&args),
    }
}
