//! Where the bag stands: paper, or a place with things in it.

use rand::RngExt;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use super::between;
use super::canvas::{Canvas, block, curve, oval};
use super::material::{Material, Rgb, Texture, mix, noise, random};

const PAPERS: [Rgb; 9] = [
    [0.98, 0.98, 0.98],
    [0.95, 0.95, 0.95],
    [0.97, 0.97, 0.97],
    [0.93, 0.92, 0.90],
    [0.86, 0.86, 0.87],
    [0.90, 0.87, 0.82],
    [0.84, 0.89, 0.91],
    [0.93, 0.87, 0.86],
    [0.76, 0.77, 0.78],
];

const WALLS: [Rgb; 8] = [
    [0.72, 0.78, 0.72],
    [0.82, 0.70, 0.62],
    [0.55, 0.62, 0.70],
    [0.86, 0.82, 0.74],
    [0.68, 0.56, 0.58],
    [0.40, 0.45, 0.42],
    [0.78, 0.74, 0.82],
    [0.92, 0.88, 0.80],
];

const WOODS: [Rgb; 5] =
    [[0.62, 0.44, 0.28], [0.45, 0.30, 0.20], [0.76, 0.62, 0.45], [0.56, 0.50, 0.44], [0.35, 0.25, 0.19]];

pub(super) fn paint(canvas: &mut Canvas, busy: bool, shot: &mut ChaCha8Rng) {
    if !busy {
        return paper(canvas, shot);
    }
    match shot.random_range(0..5) {
        0 => shelf(canvas, shot),
        1 => street(canvas, shot),
        2 => wallpaper(canvas, shot),
        3 => table(canvas, shot),
        _ => bricks(canvas, shot),
    }
}

fn pick(of: &[Rgb], shot: &mut ChaCha8Rng) -> Rgb {
    *of.choose(shot).expect("the palette is not empty")
}

fn paper(canvas: &mut Canvas, shot: &mut ChaCha8Rng) {
    let sheet = pick(&PAPERS, shot);
    let floor = between(shot, 0.35, 0.62);
    let fold = if shot.random_bool(0.45) { 0.0 } else { between(shot, 0.03, 0.1) };
    let (down, across) = (between(shot, -0.05, 0.04), between(shot, -0.03, 0.03));
    canvas.every_pixel(|x, y, _| {
        let below = ((y - floor) * 7.0 + 0.5).clamp(0.0, 1.0);
        sheet.map(|c| c + down * y + across * x - fold * below)
    });
}

/// A floor of `colour` from `y` down, with the grain of planks.
fn planks(canvas: &mut Canvas, colour: Rgb, from: f32, seed: u32) {
    canvas.every_pixel(|x, y, p| {
        if y < from {
            return p;
        }
        let row = ((y - from) / 0.17).floor();
        let joint = if ((y - from) / 0.17).fract() < 0.06 { 0.7 } else { 1.0 };
        let tone = 0.88 + 0.24 * random(row as i32, (x * 0.7 + row * 0.37).floor() as i32, seed);
        let grain = 0.86 + 0.28 * noise(x * 2.5 + row * 9.0, y * 45.0, seed);
        colour.map(|c| c * tone * grain * joint)
    });
}

fn table(canvas: &mut Canvas, shot: &mut ChaCha8Rng) {
    let wall = pick(&WALLS, shot);
    let from = if shot.random_bool(0.5) { -2.0 } else { between(shot, 0.1, 0.45) };
    canvas.every_pixel(|x, y, _| wall.map(|c| c * (0.95 + 0.1 * noise(x * 4.0, y * 4.0, 5))));
    planks(canvas, pick(&WOODS, shot), from, shot.random());
}

fn bricks(canvas: &mut Canvas, shot: &mut ChaCha8Rng) {
    let brick =
        mix(*[[0.62, 0.36, 0.28], [0.74, 0.70, 0.66], [0.50, 0.40, 0.36]].choose(shot).expect("three"), [1.0; 3], 0.12);
    let (seed, size) = (shot.random::<u32>(), between(shot, 0.13, 0.19));
    canvas.every_pixel(|x, y, _| {
        let row = (y / size).floor();
        let along = x / (size * 2.3) + 0.5 * (row as i32 % 2) as f32;
        let joint = (y / size).rem_euclid(1.0) < 0.12 || along.rem_euclid(1.0) < 0.05;
        let tone = 0.8
            + 0.35 * random(along.floor() as i32, row as i32, seed)
            + 0.12 * (noise(x * 30.0, y * 30.0, seed) - 0.5);
        if joint { [0.72, 0.70, 0.67] } else { brick.map(|c| c * tone) }
    });
    planks(canvas, pick(&WOODS, shot), between(shot, 0.5, 0.68), seed);
    canvas.defocus(between(shot, 1.0, 2.5));
}

fn wallpaper(canvas: &mut Canvas, shot: &mut ChaCha8Rng) {
    let colour = pick(&WALLS, shot);
    let second = if shot.random_bool(0.5) { mix(colour, [1.0; 3], 0.5) } else { mix(colour, pick(&WOODS, shot), 0.6) };
    let size = between(shot, 0.16, 0.34);
    let texture = *[
        Texture::Dots(size),
        Texture::Stripes(size),
        Texture::Checks(size),
        Texture::Quilt(size),
        Texture::Basket(size),
    ]
    .choose(shot)
    .expect("five");
    let paper = Material { colour, second, texture, gloss: 0.0, bump: 0.0, seed: shot.random() };
    canvas.every_pixel(|x, y, _| paper.surface(x, y).colour);
    if shot.random_bool(0.7) {
        planks(canvas, pick(&WOODS, shot), between(shot, 0.45, 0.66), shot.random());
    }
}

fn shelf(canvas: &mut Canvas, shot: &mut ChaCha8Rng) {
    let (wall, wood) = (pick(&WALLS, shot), pick(&WOODS, shot));
    canvas.every_pixel(|_, y, _| wall.map(|c| c * (0.9 - 0.06 * y)));
    let board = Material { colour: wood, second: wood, texture: Texture::Grain(0.05), gloss: 0.05, bump: 0.2, seed: 3 };
    for y in [-0.35, 0.62] {
        let mut x = -1.35;
        while x < 1.35 {
            let colour = mix(pick(&WALLS, shot), [shot.random(), shot.random(), shot.random()], 0.45).map(|c| c * 0.85);
            let thing = Material::plain(colour, 0.1);
            match shot.random_range(0..5) {
                0 | 1 => {
                    for _ in 0..shot.random_range(2..6) {
                        let (half, tall) = (between(shot, 0.025, 0.05), between(shot, 0.16, 0.26));
                        let book =
                            Material::plain(mix(colour, [shot.random(), shot.random(), shot.random()], 0.4), 0.05);
                        canvas.part(&block(x + half, y - tall, half, tall, 0.006), &book, 0.012);
                        x += 2.0 * half;
                    }
                }
                2 => {
                    let (half, tall) = (between(shot, 0.12, 0.2), between(shot, 0.08, 0.16));
                    canvas.part(&block(x + half, y - tall, half, tall, 0.01), &thing, 0.015);
                    x += 2.0 * half;
                }
                3 => {
                    let half = between(shot, 0.07, 0.12);
                    canvas.part(&oval(x + half, y - half * 1.2, half, half * 1.2), &thing, 0.05);
                    canvas.part(&block(x + half, y - half * 2.5, half * 0.35, half * 0.4, 0.01), &thing, 0.02);
                    x += 2.0 * half;
                }
                _ => x += between(shot, 0.1, 0.3),
            }
            x += between(shot, 0.02, 0.1);
        }
        canvas.part(&block(0.0, y + 0.04, 1.6, 0.04, 0.0), &board, 0.02);
    }
    canvas.part(&block(0.0, 1.1, 1.6, 0.32, 0.0), &board, 0.02);
    canvas.defocus(between(shot, 1.0, 2.0));
}

fn street(canvas: &mut Canvas, shot: &mut ChaCha8Rng) {
    let sky: Rgb = [0.80, 0.85, 0.90];
    let pavement = mix([0.55, 0.54, 0.53], pick(&WALLS, shot), 0.25);
    let horizon = between(shot, 0.2, 0.45);
    canvas.every_pixel(|x, y, _| {
        if y < horizon {
            mix(sky, [0.95, 0.92, 0.86], (y + 1.0) * 0.5)
        } else {
            pavement.map(|c| c * (0.9 + 0.2 * noise(x * 8.0, y * 20.0, 9)))
        }
    });
    let mut x = -1.4;
    while x < 1.4 {
        let (half, top) = (between(shot, 0.14, 0.3), between(shot, -0.95, -0.2));
        let colour = mix(pick(&WALLS, shot), pick(&WOODS, shot), between(shot, 0.0, 0.5)).map(|c| c * 0.85);
        canvas.fill(&block(x + half, (top + horizon) / 2.0, half, (horizon - top) / 2.0, 0.0), colour, 1.0);
        let mut y = top + 0.12;
        while y < horizon - 0.1 {
            for side in [-0.5, 0.5] {
                let pane = if shot.random_bool(0.3) { [0.98, 0.90, 0.68] } else { [0.28, 0.32, 0.38] };
                canvas.fill(&block(x + half + side * half, y, half * 0.25, 0.055, 0.0), pane, 0.9);
            }
            y += 0.2;
        }
        x += 2.0 * half;
    }
    for _ in 0..shot.random_range(2..6) {
        let (x, tall) = (between(shot, -1.1, 1.1), between(shot, 0.3, 0.6));
        let coat = [shot.random::<f32>() * 0.7, shot.random::<f32>() * 0.6, shot.random::<f32>() * 0.7];
        canvas.line(&curve(&[(x, horizon - tall * 0.6), (x, horizon + 0.12)]), 0.12, coat, 0.9);
        canvas.fill(&oval(x, horizon - tall * 0.6 - 0.12, 0.05, 0.06), [0.75, 0.58, 0.48], 0.9);
    }
    canvas.defocus(between(shot, 4.0, 7.0));
    for _ in 0..shot.random_range(3..9) {
        let glow = [1.0, between(shot, 0.75, 1.0), between(shot, 0.5, 0.9)];
        let radius = between(shot, 0.04, 0.1);
        canvas.fill(&oval(between(shot, -1.1, 1.1), between(shot, -0.9, horizon), radius, radius), glow, 0.3);
    }
}
