//! Painting by parts: each part of a bag is a path filled with a material, puffed up and lit.
//!
//! The relief of a part is its own blurred outline, so edges round off and seams sink in without any 3D model.

use tiny_skia::{FillRule, LineCap, LineJoin, Mask, Path, PathBuilder, Point, Stroke, StrokeDash, Transform};

use super::material::{Material, Rgb, mix};

/// A picture under way. Colours are sRGB, 0 to 1.
pub(crate) struct Canvas {
    pub width: u32,
    pub height: u32,
    pixels: Vec<Rgb>,
    view: Transform,
    back: Transform,
    scale: f32,
    /// Where the light comes from: unit length, x to the right, y down, z towards the eye.
    pub light: [f32; 3],
}

/// Coverage (0 to 1) of a rectangle of pixels.
struct Cover {
    left: usize,
    top: usize,
    width: usize,
    height: usize,
    alpha: Vec<f32>,
}

impl Canvas {
    pub fn new(width: u32, height: u32, light: [f32; 3]) -> Self {
        let mut canvas = Canvas {
            width,
            height,
            pixels: vec![[1.0; 3]; (width * height) as usize],
            view: Transform::identity(),
            back: Transform::identity(),
            scale: 1.0,
            light,
        };
        canvas.look(Transform::identity());
        canvas
    }

    /// Place the square from -1 to 1 (x to the right, y down) in the picture: `tilt` first, then to the middle.
    pub fn look(&mut self, tilt: Transform) {
        let half = self.width.min(self.height) as f32 / 2.0;
        self.view = tilt.post_scale(half, half).post_translate(self.width as f32 / 2.0, self.height as f32 / 2.0);
        self.back = self.view.invert().expect("views neither flatten nor vanish");
        self.scale = (self.view.sx * self.view.sy - self.view.kx * self.view.ky).abs().sqrt();
    }

    /// Repaint every pixel from where it is in the picture (-1 to 1 along the shorter side).
    pub fn every_pixel(&mut self, paint: impl Fn(f32, f32, Rgb) -> Rgb) {
        let half = self.width.min(self.height) as f32 / 2.0;
        let (middle_x, middle_y) = (self.width as f32 / 2.0, self.height as f32 / 2.0);
        for (n, pixel) in self.pixels.iter_mut().enumerate() {
            let (x, y) = (n % self.width as usize, n / self.width as usize);
            *pixel = paint((x as f32 + 0.5 - middle_x) / half, (y as f32 + 0.5 - middle_y) / half, *pixel);
        }
    }

    /// A part made of a material, with its shadow on what is behind; `relief` is the width of its rounded edge.
    pub fn part(&mut self, path: &Path, material: &Material, relief: f32) {
        self.shadow(path, (0.012, 0.02), 0.02 + relief * 0.2, 0.35);
        self.part_without_shadow(path, material, relief);
    }

    pub fn part_without_shadow(&mut self, path: &Path, material: &Material, relief: f32) {
        let radius = (relief * self.scale).max(1.0);
        let Some(cover) = self.cover(path, radius * 2.0) else { return };
        let height = cover.blurred(radius);
        let (w, h) = (cover.width, cover.height);
        let steep = 1.1 * radius;
        let half_vector = normalise([self.light[0], self.light[1], self.light[2] + 1.0]);
        let step = 0.8 / self.scale;
        for y in 1..h.saturating_sub(1) {
            for x in 1..w.saturating_sub(1) {
                let alpha = cover.alpha[y * w + x];
                if alpha <= 0.0 {
                    continue;
                }
                let at = |x: usize, y: usize| height[y * w + x];
                let slope_x = (at(x + 1, y) - at(x - 1, y)) * 0.5 * steep;
                let slope_y = (at(x, y + 1) - at(x, y - 1)) * 0.5 * steep;
                let mut here = Point::from_xy((cover.left + x) as f32 + 0.5, (cover.top + y) as f32 + 0.5);
                self.back.map_point(&mut here);
                let surface = material.surface(here.x, here.y);
                let bump_x = (material.surface(here.x + step, here.y).height - surface.height) * material.bump;
                let bump_y = (material.surface(here.x, here.y + step).height - surface.height) * material.bump;
                let normal = normalise([-slope_x - bump_x, -slope_y - bump_y, 1.0]);
                let lit = dot(normal, self.light).max(0.0) / self.light[2];
                let shine = dot(normal, half_vector).max(0.0).powi(28) * material.gloss;
                let sunk = 0.72 + 0.28 * ((at(x, y) - 0.45) * 2.5).clamp(0.0, 1.0);
                let shade = (0.42 + 0.58 * lit) * sunk;
                let pixel = &mut self.pixels[(cover.top + y) * self.width as usize + cover.left + x];
                *pixel = mix(*pixel, surface.colour.map(|c| c * shade + shine), alpha);
            }
        }
    }

    /// A band along a path.
    pub fn band(&mut self, path: &Path, width: f32, material: &Material, relief: f32) {
        if let Some(outline) = stroke(path, width) {
            self.part(&outline, material, relief);
        }
    }

    /// Flat colour.
    pub fn fill(&mut self, path: &Path, colour: Rgb, opacity: f32) {
        let Some(cover) = self.cover(path, 0.0) else { return };
        self.blend(&cover, &cover.alpha, colour, opacity);
    }

    /// A thin line of flat colour.
    pub fn line(&mut self, path: &Path, width: f32, colour: Rgb, opacity: f32) {
        if let Some(outline) = stroke(path, width) {
            self.fill(&outline, colour, opacity);
        }
    }

    /// Stitches along a path.
    pub fn stitch(&mut self, path: &Path, colour: Rgb) {
        let dashes = StrokeDash::new(vec![0.03, 0.02], 0.0).expect("two lengths above zero");
        if let Some(dashed) = path.dash(&dashes, 200.0) {
            self.line(&dashed, 0.009, colour, 0.75);
        }
    }

    /// The blurred shadow of a path, moved by `offset`.
    pub fn shadow(&mut self, path: &Path, offset: (f32, f32), blur: f32, strength: f32) {
        let away = -self.light[0].signum();
        let Some(moved) = path.clone().transform(Transform::from_translate(offset.0 * away, offset.1)) else { return };
        let radius = (blur * self.scale).max(1.0);
        let Some(cover) = self.cover(&moved, radius * 2.0) else { return };
        let soft = cover.blurred(radius);
        self.blend(&cover, &soft, [0.06, 0.05, 0.06], strength);
    }

    /// Blur the whole picture, as a lens does what is far away; `radius` in pixels.
    pub fn defocus(&mut self, radius: f32) {
        let (width, height) = (self.width as usize, self.height as usize);
        for channel in 0..3 {
            let plane = self.pixels.iter().map(|p| p[channel]).collect();
            let cover = Cover { left: 0, top: 0, width, height, alpha: plane };
            for (pixel, value) in self.pixels.iter_mut().zip(cover.blurred(radius)) {
                pixel[channel] = value;
            }
        }
    }

    /// The pixels as bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.pixels.iter().flatten().map(|v| (v.clamp(0.0, 1.0) * 255.0 + 0.5) as u8).collect()
    }

    fn blend(&mut self, cover: &Cover, alpha: &[f32], colour: Rgb, opacity: f32) {
        for y in 0..cover.height {
            for x in 0..cover.width {
                let a = alpha[y * cover.width + x] * opacity;
                let pixel = &mut self.pixels[(cover.top + y) * self.width as usize + cover.left + x];
                *pixel = mix(*pixel, colour, a);
            }
        }
    }

    /// How much of each pixel the path covers, with a margin of pixels around it. `None` if it is out of the picture.
    fn cover(&self, path: &Path, margin: f32) -> Option<Cover> {
        let mut mask = Mask::new(self.width, self.height)?;
        mask.fill_path(path, FillRule::Winding, true, self.view);
        let bounds = path.clone().transform(self.view)?.bounds();
        let clip = |v: f32, most: u32| v.clamp(0.0, most as f32) as usize;
        let left = clip(bounds.left() - margin - 2.0, self.width);
        let top = clip(bounds.top() - margin - 2.0, self.height);
        let right = clip(bounds.right() + margin + 3.0, self.width);
        let bottom = clip(bounds.bottom() + margin + 3.0, self.height);
        if right <= left || bottom <= top {
            return None;
        }
        let row = |y: usize| &mask.data()[y * self.width as usize + left..y * self.width as usize + right];
        let alpha = (top..bottom).flat_map(|y| row(y).iter().map(|a| f32::from(*a) / 255.0)).collect();
        Some(Cover { left, top, width: right - left, height: bottom - top, alpha })
    }
}

impl Cover {
    /// Two box blurs each way: near enough to a Gaussian.
    fn blurred(&self, radius: f32) -> Vec<f32> {
        let reach = (radius * 0.7).round().max(1.0) as usize;
        let mut values = self.alpha.clone();
        let mut line = Vec::new();
        for _ in 0..2 {
            for y in 0..self.height {
                box_blur(&mut values, y * self.width, 1, self.width, reach, &mut line);
            }
            for x in 0..self.width {
                box_blur(&mut values, x, self.width, self.height, reach, &mut line);
            }
        }
        values
    }
}

/// Blur `count` values that lie `stride` apart from `start` on; beyond its ends the line goes on as it ended.
fn box_blur(values: &mut [f32], start: usize, stride: usize, count: usize, reach: usize, line: &mut Vec<f32>) {
    line.clear();
    line.extend((0..count).map(|n| values[start + n * stride]));
    let at = |n: isize| line[n.clamp(0, count as isize - 1) as usize];
    let reach = reach as isize;
    let mut sum: f32 = (-reach..=reach).map(at).sum();
    for n in 0..count {
        values[start + n * stride] = sum / (2 * reach + 1) as f32;
        sum += at(n as isize + reach + 1) - at(n as isize - reach);
    }
}

fn stroke(path: &Path, width: f32) -> Option<Path> {
    let stroke = Stroke { width, line_cap: LineCap::Round, line_join: LineJoin::Round, ..Stroke::default() };
    path.stroke(&stroke, 200.0)
}

fn dot(a: [f32; 3], b: [f32; 3]) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

pub(crate) fn normalise(v: [f32; 3]) -> [f32; 3] {
    let length = dot(v, v).sqrt();
    v.map(|c| c / length)
}

/// A closed outline through corners, each rounded by its own radius: `(x, y, radius)`.
pub(crate) fn outline(corners: &[(f32, f32, f32)]) -> Path {
    let mut path = PathBuilder::new();
    let n = corners.len();
    for (i, &(x, y, radius)) in corners.iter().enumerate() {
        let towards = |(px, py, _): (f32, f32, f32)| {
            let (dx, dy) = (px - x, py - y);
            let length = (dx * dx + dy * dy).sqrt().max(1e-6);
            let part = radius.min(length * 0.5) / length;
            (x + dx * part, y + dy * part)
        };
        let (from, to) = (towards(corners[(i + n - 1) % n]), towards(corners[(i + 1) % n]));
        if i == 0 {
            path.move_to(from.0, from.1);
        } else {
            path.line_to(from.0, from.1);
        }
        // Control points at 0.55 of the way make the corner an arc rather than a parabola.
        let pull = |(px, py): (f32, f32)| (px + (x - px) * 0.55, py + (y - py) * 0.55);
        let (a, b) = (pull(from), pull(to));
        path.cubic_to(a.0, a.1, b.0, b.1, to.0, to.1);
    }
    path.close();
    path.finish().expect("three corners or more")
}

/// A rectangle with rounded corners, from its middle.
pub(crate) fn block(x: f32, y: f32, half_width: f32, half_height: f32, radius: f32) -> Path {
    let (l, r, t, b) = (x - half_width, x + half_width, y - half_height, y + half_height);
    outline(&[(l, t, radius), (r, t, radius), (r, b, radius), (l, b, radius)])
}

/// An ellipse.
pub(crate) fn oval(x: f32, y: f32, rx: f32, ry: f32) -> Path {
    let rect = tiny_skia::Rect::from_ltrb(x - rx, y - ry, x + rx, y + ry).expect("radii are above zero");
    PathBuilder::from_oval(rect).expect("the rectangle is not empty")
}

/// A smooth open line through points (Catmull-Rom).
pub(crate) fn curve(points: &[(f32, f32)]) -> Path {
    let mut path = PathBuilder::new();
    path.move_to(points[0].0, points[0].1);
    for i in 0..points.len() - 1 {
        let at = |k: isize| points[k.clamp(0, points.len() as isize - 1) as usize];
        let (p0, p1, p2, p3) = (at(i as isize - 1), at(i as isize), at(i as isize + 1), at(i as isize + 2));
        path.cubic_to(
            p1.0 + (p2.0 - p0.0) / 6.0,
            p1.1 + (p2.1 - p0.1) / 6.0,
            p2.0 - (p3.0 - p1.0) / 6.0,
            p2.1 - (p3.1 - p1.1) / 6.0,
            p2.0,
            p2.1,
        );
    }
    path.finish().expect("two points or more")
}

/// An arch from one point up to `top` and down to the point across the middle.
pub(crate) fn arch(half_width: f32, foot: f32, top: f32, squareness: f32) -> Path {
    let mut path = PathBuilder::new();
    let rise = (foot - top) * 4.0 / 3.0;
    path.move_to(-half_width, foot);
    path.cubic_to(-half_width * squareness, foot - rise, half_width * squareness, foot - rise, half_width, foot);
    path.finish().expect("two points")
}
