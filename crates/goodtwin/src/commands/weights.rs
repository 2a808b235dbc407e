//! `goodtwin weights import`: weights of the user's, for a trunk that GoodTwin ships none for.

use std::path::PathBuf;

use goodtwin_vision::{import, resnet50};

use crate::exit::{Outcome, say};

/// Bring in the weights of a second trunk.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Check a safetensors file with torchvision's names, fold its batch normalisation, and keep the result
    ///
    /// The file is yours, and so is its licence: GoodTwin ships VGG16's weights only. Runs that are trained on the result name
    /// its SHA-256.
    Import {
        /// The network that the file is of
        #[arg(long)]
        network: Network,
        /// The safetensors file, f16 or f32, with torchvision's names (conv1.weight, layer1.0.bn1.running_mean, ...)
        file: PathBuf,
        /// Where the result goes
        #[arg(long, value_name = "FILE", default_value = "checkpoints/resnet50.safetensors")]
        out: PathBuf,
    },
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Network {
    Resnet50,
}

/// Run the command.
pub fn run(args: Args) -> Outcome {
    let Action::Import { network: Network::Resnet50, file, out } = args.action;
    let imported = import::resnet50(&file, &out, resnet50::WIDTH)?;
    say(format_args!(
        "network:   resnet50, {} convolutions with their normalisation folded in",
        imported.convolutions
    ))?;
    say(format_args!("source:    {} (SHA-256 {})", file.display(), imported.source))?;
    say(format_args!("left out:  {} tensors that a trunk has no use for", imported.left_out.len()))?;
    say(format_args!("written:   {} (SHA-256 {})", out.display(), imported.id))
}
