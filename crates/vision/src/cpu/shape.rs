//! Sizes: of a layer's input, of its tiles, and of what lies between the steps.

/// Channels of a slab.
pub const SLAB: usize = 64;

/// The sizes of one layer's input and how it is cut into tiles.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub images: usize,
    pub height: usize,
    pub width: usize,
    /// Slabs of the input.
    pub slabs: usize,
    /// Whether a 2x2 max pool follows.
    pub pool: bool,
    /// Outputs of a tile, a side: 4 or 6.
    pub m: usize,
}

impl Shape {
    pub fn tiles_across(&self) -> usize {
        self.width.div_ceil(self.m)
    }
    pub fn tiles_down(&self) -> usize {
        self.height.div_ceil(self.m)
    }
    /// Rows of tiles in all images.
    pub fn tile_rows(&self) -> usize {
        self.images * self.tiles_down()
    }
    pub fn frequencies(&self) -> usize {
        (self.m + 2) * (self.m + 2)
    }
    fn out_side(&self, side: usize) -> usize {
        if self.pool { side / 2 } else { side }
    }
    pub fn out_width(&self) -> usize {
        self.out_side(self.width)
    }
    pub fn out_height(&self) -> usize {
        self.out_side(self.height)
    }
    /// The first line of the output, counted over all images, that a row of tiles makes.
    pub fn first_line(&self, tile_row: usize) -> usize {
        let (image, y) = (tile_row / self.tiles_down(), tile_row % self.tiles_down());
        image * self.out_height() + (y * self.out_side(self.m)).min(self.out_height())
    }
    /// Values from one slab of `V` to the next, and from one frequency to the next. The line more keeps the frequencies of a
    /// tile out of each other's cache sets.
    pub fn v_strides(&self, tiles: usize) -> (usize, usize) {
        (tiles * SLAB, self.slabs * tiles * SLAB + 16)
    }
    pub fn m_stride(&self, tiles: usize) -> usize {
        tiles * SLAB + 16
    }
}
