//! The thirteen convolutions, timed for `scripts/bench-trunk`: a line `ours BATCH` or `flex BATCH` in, seconds out.

use std::io::{BufRead, Write};
use std::path::Path;
use std::time::Instant;

use burn::tensor::{Device, Tensor, TensorData};
use goodtwin_vision::Weights;
use goodtwin_vision::cpu::{Convolutions, Isa};
use goodtwin_vision::vgg16::Block;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let usage = "usage: trunk WEIGHTS SIDE";
    let (weights, side) = (args.next().ok_or(usage)?, args.next().ok_or(usage)?.parse::<usize>()?);
    let weights = Weights::load_vgg16_imagenet(Path::new(&weights))?;
    let ours = Convolutions::load(Isa::best(), 1..=5, &weights)?;
    let flex: Vec<Block> =
        (1..=5).map(|n| Block::load(n, &weights, &Device::flex())).collect::<Result<_, goodtwin_vision::Error>>()?;
    println!("{} with {} threads", Isa::best(), rayon::current_num_threads());
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let (who, batch) = line.split_once(' ').ok_or("a line is `ours BATCH` or `flex BATCH`")?;
        let shape = [batch.parse()?, 3, side, side];
        let input: Vec<f32> = (0..shape.iter().product()).map(|i| (i * 7919 % 256) as f32 - 117.0).collect();
        let start = Instant::now();
        match who {
            "ours" => drop(ours.forward(shape, &input)),
            _ => {
                let x = Tensor::<4>::from_data(TensorData::new(input, shape), &Device::flex());
                drop(flex.iter().fold(x, |x, block| block.forward(x)).into_data());
            }
        }
        println!("{}", start.elapsed().as_secs_f64());
        std::io::stdout().flush()?;
    }
    Ok(())
}
