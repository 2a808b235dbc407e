//! Bags carried in the hand: totes, weekenders, clutches, buckets.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::canvas::{Canvas, arch, block, curve, outline, oval};
use super::material::{Material, mix};
use super::worn::{buckle, clasp, ring, smaller, strap, tassel, zip};
use super::{Kit, between};

pub(super) fn tote(c: &mut Canvas, k: &Kit, m: &mut ChaCha8Rng) {
    let top = between(m, -0.25, 0.02);
    let mouth = between(m, 0.52, 0.70);
    let base = mouth * between(m, 0.78, 1.04);
    let grip = mouth * between(m, 0.36, 0.56);
    let peak = top - between(m, 0.36, 0.80);
    let width = between(m, 0.045, 0.085);
    let (behind, lining) = (k.strap.dyed(mix(k.strap.colour, [0.0; 3], 0.3)), Material::plain(k.lining, 0.0));
    c.band(&arch(grip * 0.92, top + 0.02, peak - 0.05, 0.85), width, &behind, 0.02);
    // The mouth is open: the far edge and the dark inside show above the near one.
    let depth = between(m, 0.03, 0.08);
    c.part(
        &outline(&[
            (-mouth, top + 0.03, 0.02),
            (-mouth * 0.9, top - depth, 0.05),
            (mouth * 0.9, top - depth, 0.05),
            (mouth, top + 0.03, 0.02),
        ]),
        &lining,
        0.02,
    );
    let corner = between(m, 0.03, 0.14);
    let body = outline(&[(-mouth, top, 0.02), (mouth, top, 0.02), (base, 0.76, corner), (-base, 0.76, corner)]);
    c.part(&body, &k.body, 0.07);
    let across = |y: f32| mouth + (base - mouth) * (y - top) / (0.76 - top);
    if m.random_bool(0.4) {
        let from = between(m, 0.42, 0.58);
        c.part(
            &outline(&[
                (-across(from), from, 0.0),
                (across(from), from, 0.0),
                (base, 0.76, corner),
                (-base, 0.76, corner),
            ]),
            &k.trim,
            0.04,
        );
    }
    if m.random_bool(0.6) {
        c.part(
            &outline(&[
                (-mouth, top, 0.01),
                (mouth, top, 0.01),
                (across(top + 0.09), top + 0.09, 0.01),
                (-across(top + 0.09), top + 0.09, 0.01),
            ]),
            &k.trim,
            0.02,
        );
    } else {
        c.stitch(&curve(&[(-mouth * 0.97, top + 0.06), (mouth * 0.97, top + 0.06)]), k.thread);
    }
    match m.random_range(0..4) {
        0 => {
            let pocket = block(0.0, 0.38, base * 0.5, 0.2, 0.05);
            c.part(&pocket, &k.body, 0.03);
            if let Some(seam) = smaller(&pocket, 0.93, (0.0, 0.38)) {
                c.stitch(&seam, k.thread);
            }
        }
        1 => c.part(&block(0.0, top + 0.3, 0.1, 0.05, 0.015), &k.trim, 0.015),
        2 => tassel(c, k, grip + 0.02, top + 0.1),
        _ => {}
    }
    let hold = between(m, 0.08, 0.2);
    c.band(&arch(grip, top + 0.04, peak, 0.85), width, &k.strap, 0.02);
    for side in [-1.0, 1.0] {
        c.band(&curve(&[(side * grip, top + 0.02), (side * grip, top + hold)]), width * 1.15, &k.strap, 0.02);
        c.part(&oval(side * grip, top + hold, 0.016, 0.016), &k.metal, 0.01);
    }
}

pub(super) fn weekender(c: &mut Canvas, k: &Kit, m: &mut ChaCha8Rng) {
    let half = between(m, 0.78, 0.90);
    let tall = between(m, 0.32, 0.42);
    let y = 0.72 - tall;
    let round = between(m, 0.16, 0.36);
    let bands = half * between(m, 0.36, 0.48);
    let peak = y - tall - between(m, 0.26, 0.42);
    let width = between(m, 0.06, 0.09);
    let behind = k.strap.dyed(mix(k.strap.colour, [0.0; 3], 0.3));
    if m.random_bool(0.55) {
        c.band(
            &curve(&[
                (-half * 0.94, y - tall * 0.4),
                (-half * 0.72, y - tall - 0.24),
                (0.0, y - tall - 0.32),
                (half * 0.72, y - tall - 0.24),
                (half * 0.94, y - tall * 0.4),
            ]),
            0.05,
            &behind,
            0.02,
        );
    }
    c.band(&arch(bands * 0.9, y - tall + 0.02, peak - 0.05, 0.8), width, &behind, 0.02);
    let crown = round * between(m, 0.8, 1.2);
    let body = outline(&[
        (-half * 0.95, y - tall, crown),
        (half * 0.95, y - tall, crown),
        (half, y + tall, round * 0.6),
        (-half, y + tall, round * 0.6),
    ]);
    c.part(&body, &k.body, 0.12);
    let ends = m.random_range(0..3);
    for side in [-1.0, 1.0] {
        if ends == 0 {
            let cap = outline(&[
                (side * half * 0.74, y - tall * 0.96, 0.02),
                (side * half * 0.95, y - tall * 0.96, crown),
                (side * half, y + tall, round * 0.6),
                (side * half * 0.74, y + tall, 0.02),
            ]);
            c.part(&cap, &k.trim, 0.06);
        } else if ends == 1 {
            let patch = outline(&[
                (side * half * 0.72, y + tall, 0.02),
                (side * half * 0.97, y + tall * 0.35, 0.05),
                (side * half, y + tall, round * 0.6),
            ]);
            c.part(&patch, &k.trim, 0.03);
        }
        ring(c, k, side * half * 0.95, y - tall * 0.35, 0.05);
    }
    zip(c, k, &curve(&[(-half * 0.72, y - tall + 0.075), (0.0, y - tall + 0.055), (half * 0.72, y - tall + 0.075)]));
    if m.random_bool(0.5) {
        let pocket = block(0.0, y + tall * 0.3, bands * 0.86, tall * 0.52, 0.05);
        c.part(&pocket, &k.body, 0.05);
        zip(c, k, &curve(&[(-bands * 0.7, y - tall * 0.02), (bands * 0.7, y - tall * 0.02)]));
    }
    for side in [-1.0, 1.0] {
        c.band(&curve(&[(side * bands, y - tall + 0.06), (side * bands, y + tall - 0.04)]), width, &k.trim, 0.02);
        if ends == 2 {
            buckle(c, k, side * bands, y - tall * 0.3, 0.05);
        }
    }
    c.band(&arch(bands, y - tall + 0.08, peak, 0.8), width, &k.strap, 0.025);
    c.part(&block(0.0, peak + 0.02, 0.15, 0.05, 0.03), &k.trim, 0.03);
    if m.random_bool(0.4) {
        c.line(&curve(&[(-bands, y - tall), (-bands - 0.1, y - tall * 0.3)]), 0.018, k.trim.colour, 1.0);
        c.part(&block(-bands - 0.11, y - tall * 0.12, 0.06, 0.1, 0.03), &k.trim, 0.02);
    }
}

pub(super) fn clutch(c: &mut Canvas, k: &Kit, m: &mut ChaCha8Rng) {
    let half = between(m, 0.66, 0.82);
    let tall = half * between(m, 0.46, 0.66);
    let y = 0.70 - tall;
    let corner = between(m, 0.02, 0.12);
    let style = m.random_range(0..4);
    if m.random_bool(0.4) {
        // A loop for the wrist hangs from one side.
        let x = half - 0.02;
        c.band(
            &curve(&[
                (x, y - tall * 0.5),
                (x + 0.13, y - tall * 0.2),
                (x + 0.17, y + tall * 0.5),
                (x + 0.10, y + tall * 0.75),
                (x + 0.05, y + tall * 0.4),
                (x, y - tall * 0.4),
            ]),
            0.04,
            &k.strap,
            0.015,
        );
    }
    let body = block(0.0, y, half, tall, corner);
    c.part(&body, &k.body, 0.05);
    let top = y - tall;
    match style {
        // An envelope.
        0 => {
            let point = y + tall * between(m, 0.0, 0.5);
            let flap = outline(&[
                (-half, top, corner),
                (half, top, corner),
                (half * 0.98, top + 0.1, 0.04),
                (0.0, point, between(m, 0.03, 0.2)),
                (-half * 0.98, top + 0.1, 0.04),
            ]);
            c.part(&flap, &k.body, 0.04);
            if let Some(seam) = smaller(&flap, 0.93, (0.0, (top + point) / 2.0 - 0.06)) {
                c.stitch(&seam, k.thread);
            }
            clasp(c, k, m, 0.0, point - 0.08);
        }
        // Folded over.
        1 => {
            let edge = y + tall * between(m, -0.1, 0.35);
            let lid = if m.random_bool(0.4) { &k.trim } else { &k.body };
            c.part(
                &outline(&[
                    (-half * 1.01, top - 0.02, 0.06),
                    (half * 1.01, top - 0.02, 0.06),
                    (half, edge, 0.03),
                    (-half, edge, 0.03),
                ]),
                lid,
                0.06,
            );
            if m.random_bool(0.5) {
                let x = between(m, -0.1, 0.1);
                clasp(c, k, m, x, edge - 0.06);
            } else {
                zip(c, k, &curve(&[(-half * 0.8, edge - 0.12), (half * 0.8, edge - 0.12)]));
            }
        }
        // In a metal frame with a kiss lock.
        2 => {
            c.part(
                &outline(&[
                    (-half * 0.96, top - 0.03, 0.06),
                    (half * 0.96, top - 0.03, 0.06),
                    (half * 0.98, top + 0.05, 0.02),
                    (-half * 0.98, top + 0.05, 0.02),
                ]),
                &k.metal,
                0.03,
            );
            for x in [-0.032, 0.032] {
                c.part(&oval(x, top - 0.06, 0.034, 0.034), &k.metal, 0.03);
            }
            for n in -3..=3 {
                let x = n as f32 * half * 0.24;
                c.line(
                    &curve(&[(x, top + 0.07), (x * 1.06, top + 0.07 + tall * 0.5)]),
                    0.012,
                    k.body.colour.map(|v| v * 0.5),
                    0.5,
                );
            }
        }
        // A zipped pouch.
        _ => {
            zip(c, k, &curve(&[(-half * 0.94, top + 0.07), (half * 0.94, top + 0.07)]));
            tassel(c, k, half * 0.9, top + 0.14);
            if m.random_bool(0.5) {
                c.part(
                    &outline(&[
                        (-half, y + tall * 0.25, 0.0),
                        (half, y - tall * 0.1, 0.0),
                        (half, y + tall, corner),
                        (-half, y + tall, corner),
                    ]),
                    &k.trim,
                    0.03,
                );
            }
        }
    }
}

pub(super) fn bucket_bag(c: &mut Canvas, k: &Kit, m: &mut ChaCha8Rng) {
    let base = between(m, 0.38, 0.50);
    let waist = base * between(m, 0.80, 0.98);
    let cord = between(m, -0.22, -0.06);
    let ruffle = between(m, 0.12, 0.2);
    let long = m.random_bool(0.65);
    let foot = cord + 0.03;
    let line = if long {
        arch(waist * 0.95, foot, -0.95, between(m, 0.4, 0.9))
    } else {
        arch(waist * 0.8, foot, cord - 0.52, 0.9)
    };
    strap(c, k, &line, between(m, 0.045, 0.085), false);
    // Above the cord the edge stands up in folds.
    let folds = m.random_range(5..8);
    let mut edge = vec![(-waist * 0.9, cord + 0.02, 0.0)];
    for n in 0..=2 * folds {
        let t = n as f32 / folds as f32 - 1.0;
        let dip = if n % 2 == 0 { 0.0 } else { 0.045 };
        edge.push((t * waist * 1.02, cord - ruffle * (1.0 - 0.25 * t * t) + dip, 0.03));
    }
    edge.push((waist * 0.9, cord + 0.02, 0.0));
    c.part(&outline(&edge), &k.body, 0.04);
    c.fill(&oval(0.0, cord - ruffle * 0.86, waist * 0.7, 0.035), k.lining, 0.8);
    let body = outline(&[
        (-waist * 0.9, cord, 0.05),
        (waist * 0.9, cord, 0.05),
        (waist * 1.08, cord + 0.25, 0.3),
        (base, 0.76, 0.12),
        (-base, 0.76, 0.12),
        (-waist * 1.08, cord + 0.25, 0.3),
    ]);
    c.part(&body, &k.body, 0.13);
    for n in -folds..=folds {
        let x = (n as f32 + 0.3) / folds as f32 * waist * 0.86;
        let reach = 0.12 + 0.1 * ((n * 7 % 5) as f32 / 5.0).abs();
        c.line(&curve(&[(x, cord - 0.05), (x * 1.06, cord + reach)]), 0.016, k.body.colour.map(|v| v * 0.4), 0.45);
    }
    if m.random_bool(0.7) {
        let from = between(m, 0.48, 0.62);
        let bottom = outline(&[
            (-base * 1.01, from, 0.02),
            (0.0, from + 0.03, 0.4),
            (base * 1.01, from, 0.02),
            (base, 0.76, 0.12),
            (-base, 0.76, 0.12),
        ]);
        c.part(&bottom, &k.trim, 0.08);
        c.stitch(&curve(&[(-base * 0.97, from + 0.04), (0.0, from + 0.07), (base * 0.97, from + 0.04)]), k.thread);
    }
    c.band(
        &curve(&[(-waist * 0.9, cord - 0.01), (0.0, cord + 0.03), (waist * 0.9, cord - 0.01)]),
        0.03,
        &k.trim,
        0.015,
    );
    for n in -2..=2 {
        let x = n as f32 * waist * 0.38;
        ring(c, k, x, cord + 0.02, 0.022);
    }
    let drop = between(m, 0.2, 0.38);
    for (side, more) in [(-1.0, 0.0), (1.0, 0.06)] {
        let end = (side * between(m, 0.07, 0.13), cord + drop + more);
        c.band(&curve(&[(0.0, cord + 0.03), (end.0 * 0.6, cord + drop * 0.5), end]), 0.024, &k.trim, 0.012);
        if long { tassel(c, k, end.0, end.1) } else { c.part(&oval(end.0, end.1, 0.035, 0.045), &k.trim, 0.02) }
    }
    c.part(&oval(0.0, cord + 0.04, 0.045, 0.035), &k.trim, 0.02);
}
