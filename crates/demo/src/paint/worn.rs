//! Bags worn on the back, over the shoulder, round the waist.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tiny_skia::{Path, Transform};

use super::canvas::{Canvas, arch, block, curve, outline, oval};
use super::material::Material;
use super::{Kit, between};

pub(super) fn backpack(c: &mut Canvas, k: &Kit, m: &mut ChaCha8Rng) {
    let half = between(m, 0.40, 0.54);
    let top = between(m, -0.62, -0.45);
    let style = m.random_range(0..3);
    let pockets = m.random_bool(0.55);
    let width = between(m, 0.10, 0.15);
    for side in [-1.0, 1.0] {
        let x = |t: f32| side * t;
        let line = curve(&[
            (x(half * 0.5), top + 0.06),
            (x(half + 0.13), top + 0.35),
            (x(half + 0.17), 0.22),
            (x(half * 0.9), 0.62),
        ]);
        c.band(&line, width, &k.strap, 0.03);
    }
    c.band(&arch(between(m, 0.10, 0.17), top + 0.05, top - between(m, 0.12, 0.2), 0.9), 0.055, &k.strap, 0.02);
    if pockets {
        for side in [-1.0, 1.0] {
            c.part(&block(side * (half + 0.01), 0.45, 0.1, between(m, 0.18, 0.24), 0.07), &k.body, 0.05);
        }
    }
    let (crown, base) = if style == 0 { (half * 0.95, 0.16) } else { (0.14, 0.12) };
    let body =
        outline(&[(-half * 0.96, top, crown), (half * 0.96, top, crown), (half, 0.76, base), (-half, 0.76, base)]);
    c.part(&body, &k.body, 0.09);
    if m.random_bool(0.5) {
        c.part(
            &outline(&[(-half, 0.56, 0.0), (half, 0.56, 0.0), (half, 0.76, base), (-half, 0.76, base)]),
            &k.trim,
            0.04,
        );
    }
    let pocket_top = between(m, 0.10, 0.26);
    let pocket = half * between(m, 0.66, 0.84);
    match style {
        0 => {
            zip(
                c,
                k,
                &curve(&[
                    (-half * 0.92, 0.2),
                    (-half * 0.8, top + 0.3),
                    (0.0, top + 0.13),
                    (half * 0.8, top + 0.3),
                    (half * 0.92, 0.2),
                ]),
            );
            let front = outline(&[
                (-pocket, pocket_top, 0.1),
                (pocket, pocket_top, 0.1),
                (pocket, 0.68, 0.1),
                (-pocket, 0.68, 0.1),
            ]);
            c.part(&front, &k.body, 0.06);
            zip(c, k, &curve(&[(-pocket * 0.85, pocket_top + 0.09), (pocket * 0.85, pocket_top + 0.09)]));
        }
        1 => {
            let front = outline(&[
                (-pocket, pocket_top, 0.06),
                (pocket, pocket_top, 0.06),
                (pocket, 0.68, 0.1),
                (-pocket, 0.68, 0.1),
            ]);
            c.part(&front, &k.body, 0.06);
            let edge = between(m, -0.02, 0.12);
            let flap = outline(&[
                (-half * 1.02, top - 0.03, 0.16),
                (half * 1.02, top - 0.03, 0.16),
                (half * 1.0, edge, 0.16),
                (-half, edge, 0.16),
            ]);
            let lid = if m.random_bool(0.4) { &k.trim } else { &k.body };
            c.part(&flap, lid, 0.07);
            let places: &[f32] = if m.random_bool(0.6) { &[-0.5, 0.5] } else { &[0.0] };
            for place in places {
                let x = place * half;
                c.band(&curve(&[(x, edge - 0.28), (x, edge + 0.24)]), 0.07, &k.trim, 0.02);
                buckle(c, k, x, edge + 0.1, 0.055);
            }
        }
        _ => {
            c.part(&block(0.0, top + 0.03, half * 1.06, 0.09, 0.06), &k.body, 0.06);
            c.part(&block(0.0, top + 0.16, half * 1.0, 0.05, 0.04), &k.body, 0.04);
            c.band(&curve(&[(0.0, top - 0.04), (0.0, 0.2)]), 0.07, &k.trim, 0.02);
            buckle(c, k, 0.0, top + 0.38, 0.06);
            zip(c, k, &curve(&[(-pocket, 0.34), (pocket, 0.34)]));
        }
    }
}

pub(super) fn shoulder_bag(c: &mut Canvas, k: &Kit, m: &mut ChaCha8Rng) {
    let style = m.random_range(0..4);
    let chain = m.random_bool(0.3);
    let width = between(m, 0.04, 0.09);
    match style {
        // A hobo: a crescent that hangs from its tips.
        0 => {
            let half = between(m, 0.62, 0.76);
            let dip = between(m, 0.05, 0.22);
            let tip = between(m, -0.2, -0.05);
            strap(c, k, &arch(half - 0.03, tip + 0.03, -0.88, 0.8), width + 0.02, chain);
            let body = outline(&[
                (-half, tip, 0.05),
                (-half * 0.45, dip + 0.05, 0.3),
                (half * 0.45, dip + 0.05, 0.3),
                (half, tip, 0.05),
                (half * 1.06, 0.72, 0.55),
                (-half * 1.06, 0.72, 0.55),
            ]);
            c.part(&body, &k.body, 0.1);
            zip(c, k, &curve(&[(-half * 0.72, dip * 0.6), (0.0, dip + 0.13), (half * 0.72, dip * 0.6)]));
            for side in [-1.0, 1.0] {
                ring(c, k, side * (half - 0.03), tip + 0.04, 0.05);
            }
        }
        // A baguette: long and low, on a short strap.
        1 => {
            let half = between(m, 0.62, 0.76);
            let tall = between(m, 0.24, 0.32);
            let middle = 0.74 - tall;
            strap(c, k, &arch(half * 0.88, middle - tall + 0.05, -between(m, 0.5, 0.75), 0.75), width + 0.02, chain);
            c.part(&block(0.0, middle, half, tall, 0.12), &k.body, 0.08);
            let flap = middle + tall * between(m, -0.1, 0.4);
            let lid = outline(&[
                (-half * 1.01, middle - tall - 0.02, 0.1),
                (half * 1.01, middle - tall - 0.02, 0.1),
                (half, flap, 0.14),
                (-half, flap, 0.14),
            ]);
            c.part(&lid, &k.body, 0.06);
            clasp(c, k, m, 0.0, flap - 0.03);
            for side in [-1.0, 1.0] {
                ring(c, k, side * half * 0.88, middle - tall + 0.03, 0.045);
            }
        }
        // A carryall: wide and open like a tote, but on one strap.
        2 => {
            let half = between(m, 0.54, 0.68);
            let top = between(m, -0.16, 0.06);
            strap(c, k, &arch(half * 0.86, top + 0.05, -between(m, 0.62, 0.9), 0.7), width + 0.03, false);
            let body =
                outline(&[(-half * 0.94, top, 0.05), (half * 0.94, top, 0.05), (half, 0.76, 0.2), (-half, 0.76, 0.2)]);
            c.part(&body, &k.body, 0.1);
            zip(c, k, &curve(&[(-half * 0.84, top + 0.07), (half * 0.84, top + 0.07)]));
            c.stitch(&curve(&[(-half * 0.95, 0.5), (half * 0.95, 0.5)]), k.thread);
            for side in [-1.0, 1.0] {
                ring(c, k, side * half * 0.86, top + 0.05, 0.045);
            }
            if m.random_bool(0.5) {
                tassel(c, k, half * 0.7, top + 0.16);
            }
        }
        // A saddle bag: a deep flap, a long strap.
        _ => {
            let half = between(m, 0.46, 0.60);
            let top = between(m, -0.12, 0.05);
            strap(c, k, &arch(half * 0.92, top + 0.06, -0.92, between(m, 0.4, 0.8)), width, chain);
            let body =
                outline(&[(-half * 0.92, top, 0.1), (half * 0.92, top, 0.1), (half, 0.76, 0.3), (-half, 0.76, 0.3)]);
            c.part(&body, &k.body, 0.09);
            let low = between(m, 0.4, 0.6);
            let corner = between(m, 0.12, 0.5);
            let flap = outline(&[
                (-half * 0.96, top - 0.02, 0.08),
                (half * 0.96, top - 0.02, 0.08),
                (half * 0.98, low, corner),
                (-half * 0.98, low, corner),
            ]);
            let lid = if m.random_bool(0.3) { &k.trim } else { &k.body };
            c.part(&flap, lid, 0.06);
            if let Some(seam) = smaller(&flap, 0.92, (0.0, (top + low) / 2.0)) {
                c.stitch(&seam, k.thread);
            }
            clasp(c, k, m, 0.0, low - 0.05);
            for side in [-1.0, 1.0] {
                ring(c, k, side * half * 0.92, top + 0.05, 0.04);
            }
        }
    }
}

pub(super) fn circle_bag(c: &mut Canvas, k: &Kit, m: &mut ChaCha8Rng) {
    let radius = between(m, 0.47, 0.56);
    let (x, y) = (0.0, 0.76 - radius);
    let chain = m.random_bool(0.25);
    let handle = m.random_bool(0.35);
    let foot = y - radius * 0.72;
    if handle {
        strap(c, k, &arch(radius * 0.5, y - radius * 0.84, y - radius - between(m, 0.25, 0.4), 0.9), 0.075, false);
    } else {
        strap(c, k, &arch(radius * 0.72, foot, -0.94, between(m, 0.3, 0.8)), between(m, 0.035, 0.065), chain);
    }
    let rim = between(m, 0.02, 0.07);
    c.part(
        &oval(x + rim * 0.4, y, radius + rim * 0.3, radius),
        if m.random_bool(0.5) { &k.trim } else { &k.body },
        0.05,
    );
    let face = oval(x - rim * 0.2, y, radius - rim * 0.6, radius - rim * 0.6);
    c.part(&face, &k.body, 0.1);
    for side in [-1.0, 1.0] {
        let (dx, dy) = if handle { (0.5, 0.84) } else { (0.72, 0.7) };
        ring(c, k, side * radius * dx, y - radius * dy, 0.045);
    }
    let at = |angle: f32, r: f32| (x + r * angle.sin(), y - r * angle.cos());
    match m.random_range(0..4) {
        0 => {
            let arc: Vec<_> = (-6..=6).map(|n| at(n as f32 * 0.2, radius * 0.84)).collect();
            zip(c, k, &curve(&arc));
        }
        1 => {
            let flap = outline(&[
                (-radius * 0.9, y - radius * 0.36, 0.02),
                (-radius * 0.8, y - radius * 0.92, 0.3),
                (radius * 0.8, y - radius * 0.92, 0.3),
                (radius * 0.9, y - radius * 0.36, 0.02),
                (0.0, y + radius * 0.42, 0.5),
            ]);
            c.part(&flap, &k.body, 0.05);
            clasp(c, k, m, 0.0, y + radius * 0.05);
        }
        2 => {
            for part in [0.78, 0.52, 0.26] {
                c.stitch(&oval(x, y, radius * part, radius * part), k.thread);
            }
            zip(c, k, &curve(&[at(-0.8, radius * 0.9), at(0.0, radius * 0.9), at(0.8, radius * 0.9)]));
        }
        _ => {
            c.part(&oval(x, y, radius * 0.5, radius * 0.5), &k.trim, 0.03);
            c.stitch(&oval(x, y, radius * 0.44, radius * 0.44), k.thread);
        }
    }
    if m.random_bool(0.35) {
        tassel(c, k, radius * 0.78, y - radius * 0.35);
    }
}

pub(super) fn belt_bag(c: &mut Canvas, k: &Kit, m: &mut ChaCha8Rng) {
    let half = between(m, 0.46, 0.60);
    let tall = between(m, 0.23, 0.32);
    let y = between(m, 0.26, 0.36);
    let wide = between(m, 0.09, 0.14);
    let loop_height = between(m, 0.36, 0.52);
    let round = m.random_bool(0.5);
    // The belt lies in a ring behind the pouch, as if somebody wore it.
    let ear = y - tall * 0.35;
    let belt = curve(&[
        (-half + 0.04, ear),
        (-0.88, ear - 0.18),
        (-0.66, ear - loop_height),
        (0.0, ear - loop_height - 0.12),
        (0.66, ear - loop_height),
        (0.88, ear - 0.18),
        (half - 0.04, ear),
    ]);
    c.band(&belt, wide, &k.strap, 0.03);
    let x = between(m, -0.3, 0.3);
    let back = ear - loop_height - 0.11;
    c.part(&block(x, back, 0.11, wide * 0.72, 0.03), &Material::plain([0.14; 3], 0.3), 0.03);
    c.part(&block(x, back, 0.02, wide * 0.5, 0.01), &k.metal, 0.02);
    for side in [-1.0, 1.0] {
        let ear_piece = outline(&[
            (side * (half - 0.1), y - tall * 0.8, 0.04),
            (side * (half + 0.14), ear - wide * 0.6, 0.03),
            (side * (half + 0.14), ear + wide * 0.5, 0.03),
            (side * (half - 0.1), y + tall * 0.4, 0.04),
        ]);
        c.part(&ear_piece, &k.trim, 0.03);
    }
    let (top_corner, low_corner) = if round { (0.1, 0.42) } else { (0.12, 0.14) };
    let body = outline(&[
        (-half, y - tall, top_corner),
        (half, y - tall, top_corner),
        (half * 0.97, y + tall, low_corner),
        (-half * 0.97, y + tall, low_corner),
    ]);
    c.part(&body, &k.body, 0.1);
    let line = y - tall * between(m, 0.45, 0.7);
    zip(c, k, &curve(&[(-half * 0.86, line + 0.02), (0.0, line), (half * 0.86, line + 0.02)]));
    if m.random_bool(0.6) {
        let pocket = half * between(m, 0.62, 0.8);
        c.part(
            &outline(&[
                (-pocket, y - tall * 0.15, 0.08),
                (pocket, y - tall * 0.15, 0.08),
                (pocket, y + tall * 0.82, low_corner * 0.8),
                (-pocket, y + tall * 0.82, low_corner * 0.8),
            ]),
            &k.body,
            0.06,
        );
        zip(c, k, &curve(&[(-pocket * 0.8, y + tall * 0.1), (pocket * 0.8, y + tall * 0.1)]));
    } else {
        clasp(c, k, m, 0.0, y + tall * 0.35);
    }
}

/// A strap of leather, or a chain.
pub(super) fn strap(c: &mut Canvas, k: &Kit, line: &Path, width: f32, chain: bool) {
    if chain {
        c.line(line, 0.022, k.metal.colour.map(|v| v * 0.45), 1.0);
        let links = tiny_skia::StrokeDash::new(vec![0.035, 0.025], 0.0).expect("two lengths above zero");
        if let Some(dashed) = line.dash(&links, 200.0) {
            c.band(&dashed, 0.034, &k.metal, 0.012);
        }
    } else {
        c.band(line, width, &k.strap, 0.02);
    }
}

pub(super) fn zip(c: &mut Canvas, k: &Kit, line: &Path) {
    c.line(line, 0.04, k.body.colour.map(|v| v * 0.35), 0.9);
    c.line(line, 0.014, k.metal.colour, 0.9);
    if let Some(end) = line.points().last() {
        c.part(&block(end.x - 0.02, end.y + 0.045, 0.016, 0.045, 0.015), &k.metal, 0.015);
    }
}

pub(super) fn ring(c: &mut Canvas, k: &Kit, x: f32, y: f32, radius: f32) {
    c.band(&oval(x, y, radius, radius), 0.022, &k.metal, 0.012);
}

pub(super) fn buckle(c: &mut Canvas, k: &Kit, x: f32, y: f32, size: f32) {
    c.band(&block(x, y, size, size * 0.85, 0.01), 0.02, &k.metal, 0.01);
    c.band(&curve(&[(x, y - size * 0.8), (x, y + size * 0.6)]), 0.014, &k.metal, 0.008);
}

/// A turn-lock, a stud or a plate.
pub(super) fn clasp(c: &mut Canvas, k: &Kit, m: &mut ChaCha8Rng, x: f32, y: f32) {
    match m.random_range(0..3) {
        0 => {
            c.part(&block(x, y, 0.075, 0.05, 0.02), &k.metal, 0.02);
            c.part(&block(x, y, 0.045, 0.014, 0.01), &k.metal.dyed(k.metal.colour.map(|v| v * 0.6)), 0.01);
        }
        1 => c.part(&oval(x, y, 0.045, 0.045), &k.metal, 0.03),
        _ => {
            c.part(&block(x, y, 0.05, 0.11, 0.03), &k.trim, 0.02);
            c.part(&oval(x, y + 0.05, 0.024, 0.024), &k.metal, 0.015);
        }
    }
}

pub(super) fn tassel(c: &mut Canvas, k: &Kit, x: f32, y: f32) {
    c.line(&curve(&[(x - 0.03, y - 0.12), (x, y)]), 0.014, k.trim.colour, 1.0);
    c.part(
        &outline(&[(x - 0.025, y, 0.01), (x + 0.025, y, 0.01), (x + 0.055, y + 0.2, 0.01), (x - 0.055, y + 0.2, 0.01)]),
        &k.trim,
        0.02,
    );
    c.part(&block(x, y + 0.01, 0.032, 0.03, 0.02), &k.metal, 0.015);
}

/// A path drawn in towards a point.
pub(super) fn smaller(path: &Path, part: f32, middle: (f32, f32)) -> Option<Path> {
    path.clone().transform(
        Transform::from_translate(-middle.0, -middle.1).post_scale(part, part).post_translate(middle.0, middle.1),
    )
}
