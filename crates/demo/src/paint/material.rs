//! What parts are made of: a colour, a texture, a gloss.

/// sRGB, 0 to 1.
pub(crate) type Rgb = [f32; 3];

/// A material.
#[derive(Clone, Debug)]
pub(crate) struct Material {
    pub colour: Rgb,
    /// What patterns are made with.
    pub second: Rgb,
    pub texture: Texture,
    /// How bright its highlights are, 0 to 1.
    pub gloss: f32,
    /// How deep its texture is.
    pub bump: f32,
    pub seed: u32,
}

/// Textures; lengths are in halves of the picture.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Texture {
    Smooth,
    /// Pebbled leather.
    Grain(f32),
    /// Canvas.
    Weave(f32),
    /// Padded lozenges.
    Quilt(f32),
    /// Padded rows.
    Ribs(f32),
    Stripes(f32),
    Checks(f32),
    /// Bands of leather or raffia, over and under.
    Basket(f32),
    Dots(f32),
}

/// A material at a place.
pub(crate) struct Surface {
    pub colour: Rgb,
    pub height: f32,
}

impl Material {
    /// Of one colour, with no texture.
    pub fn plain(colour: Rgb, gloss: f32) -> Self {
        Material { colour, second: colour, texture: Texture::Smooth, gloss, bump: 0.0, seed: 0 }
    }

    /// The same in another colour.
    pub fn dyed(&self, colour: Rgb) -> Self {
        Material { colour, second: mix(colour, self.second, 0.5), ..self.clone() }
    }

    pub fn surface(&self, x: f32, y: f32) -> Surface {
        let (pattern, height) = self.texture_at(x, y);
        let uneven = 0.94 + 0.12 * noise(x * 3.0, y * 3.0, self.seed);
        let hollow = 0.88 + 0.12 * height;
        Surface { colour: mix(self.colour, self.second, pattern).map(|c| c * uneven * hollow), height }
    }

    /// How much of the second colour, and how high, each 0 to 1.
    fn texture_at(&self, x: f32, y: f32) -> (f32, f32) {
        let fine = |scale: f32| noise(x / scale, y / scale, self.seed ^ 77);
        match self.texture {
            Texture::Smooth => (0.0, 0.5 + 0.1 * fine(0.02)),
            Texture::Grain(s) => (0.0, 0.5 * fine(s) + 0.5 * fine(s * 0.47)),
            Texture::Weave(s) => {
                let (a, b) = (wave(x / s), wave(y / s));
                let over = if ((x / s).floor() + (y / s).floor()) as i32 % 2 == 0 { a } else { b };
                (0.15 * over, 0.6 * over + 0.4 * fine(s * 2.0))
            }
            Texture::Quilt(s) => {
                let (a, b) = ((x + y) / s, (x - y) / s);
                (0.0, (wave(a) * wave(b)).sqrt() * 0.85 + 0.15 * fine(0.03))
            }
            Texture::Ribs(s) => (0.0, wave(y / s).sqrt()),
            Texture::Stripes(s) => (edge(wave(x / s) - 0.5), fine(0.015)),
            Texture::Checks(s) => (0.5 * edge(wave(x / s) - 0.5) + 0.5 * edge(wave(y / s) - 0.5), fine(0.015)),
            Texture::Basket(s) => {
                let (column, row) = ((x / s).floor(), (y / s).floor());
                let flat = (column + row) as i32 % 2 == 0;
                let (along, across) = if flat { (x / s, y / s) } else { (y / s, x / s) };
                let strand = 0.55 * wave(across).sqrt() + 0.45 * wave(along).sqrt();
                (if flat { 0.0 } else { 0.22 }, strand)
            }
            Texture::Dots(s) => {
                let row = (y / s).floor();
                let (dx, dy) =
                    ((x / s + 0.5 * (row as i32 % 2) as f32).rem_euclid(1.0) - 0.5, (y / s).rem_euclid(1.0) - 0.5);
                (edge((0.28 - (dx * dx + dy * dy).sqrt()) * 3.0), fine(0.015))
            }
        }
    }
}

/// 0 at whole numbers, 1 between them.
fn wave(t: f32) -> f32 {
    let t = t.rem_euclid(1.0);
    4.0 * t * (1.0 - t)
}

/// A soft step at 0.
fn edge(t: f32) -> f32 {
    (t * 6.0 + 0.5).clamp(0.0, 1.0)
}

pub(crate) fn mix(a: Rgb, b: Rgb, t: f32) -> Rgb {
    std::array::from_fn(|c| a[c] + (b[c] - a[c]) * t)
}

/// Value noise, 0 to 1, that changes over a distance of 1.
pub(crate) fn noise(x: f32, y: f32, seed: u32) -> f32 {
    let (cell_x, cell_y) = (x.floor(), y.floor());
    let smooth = |t: f32| t * t * (3.0 - 2.0 * t);
    let (fx, fy) = (smooth(x - cell_x), smooth(y - cell_y));
    let corner = |dx: i32, dy: i32| random(cell_x as i32 + dx, cell_y as i32 + dy, seed);
    let above = corner(0, 0) + (corner(1, 0) - corner(0, 0)) * fx;
    let below = corner(0, 1) + (corner(1, 1) - corner(0, 1)) * fx;
    above + (below - above) * fy
}

/// A number from 0 to 1 for each point of a grid.
pub(crate) fn random(x: i32, y: i32, seed: u32) -> f32 {
    let mut h =
        (x as u32).wrapping_mul(0x9e37_79b1) ^ (y as u32).wrapping_mul(0x85eb_ca77) ^ seed.wrapping_mul(0xc2b2_ae3d);
    h = (h ^ (h >> 15)).wrapping_mul(0x2c1b_3c6d);
    h = (h ^ (h >> 12)).wrapping_mul(0x297a_2d39);
    (h ^ (h >> 15)) as f32 / u32::MAX as f32
}
