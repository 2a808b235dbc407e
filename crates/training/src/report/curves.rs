//! How losses and accuracies went over the epochs, as pictures.

use std::fmt::Write;

use goodtwin_vision::ModelCard;

use crate::Recipe;
use crate::recipe::FamilyLoss;
use crate::train::Epoch;

const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 240.0;
const MARGIN: f64 = 40.0;
const TRAINING: &str = "var(--b)";
const VALIDATION: &str = "var(--a)";

/// A line over the epochs: its name, its ink, its values.
type Line<'a> = (&'a str, &'a str, &'a dyn Fn(&Epoch) -> Option<f64>);

/// The section of a page. Training's loss and validation's hold different things, so that each has a picture of its own.
pub fn section(card: &ModelCard, history: &[Epoch], best_epoch: Option<usize>) -> String {
    let train_loss: Line<'_> = ("training", TRAINING, &|e| Some(e.train_loss));
    let family_loss: Line<'_> = ("training", TRAINING, &|e| e.train_family_loss);
    let validation_loss: Line<'_> = ("validation", VALIDATION, &|e| e.validation_loss);
    let accuracies: [Line<'_>; 2] =
        [("training", TRAINING, &|e| Some(e.train_accuracy)), ("validation", VALIDATION, &|e| e.validation_accuracy)];
    let mut html = "<h2>Curves</h2><div class=curves>".to_string();
    html += &picture("Training loss", f64::MIN_POSITIVE, history, &[train_loss], &what_steps_lower(card));
    if history.iter().any(|e| e.validation_loss.is_some()) {
        let mut what = "What chooses the epoch: cross-entropy alone, on the validation split as it is.".to_string();
        if let Some(best) = best_epoch {
            let _ = write!(what, " Epoch {best} of {} was kept.", history.len());
        }
        html += &picture("Validation loss", f64::MIN_POSITIVE, history, &[validation_loss], &what);
    }
    let what = "Of types. Training's is measured before each step, with dropout, on pictures and views as the step meets them.";
    html += &picture("Accuracy", 1.0, history, &accuracies, what);
    if history.iter().any(|e| e.train_family_loss.is_some()) {
        let what = "What families add to the training loss, before it is weighed.";
        html += &picture("Loss over families", f64::MIN_POSITIVE, history, &[family_loss], what);
    }
    html + "</div>"
}

/// All that makes the training loss another figure than the validation loss.
fn what_steps_lower(card: &ModelCard) -> String {
    let mut with = vec![];
    if let Ok(recipe) = serde_json::from_value::<Recipe>(card.recipe.clone()) {
        let (head, optimizer, family) = (&recipe.head, &recipe.optimizer, &recipe.family);
        if optimizer.label_smoothing > 0.0 {
            with.push(format!("label smoothing {}", optimizer.label_smoothing));
        }
        if head.dropout > 0.0 {
            with.push(format!("dropout {}", head.dropout));
        }
        if optimizer.class_balance > 0.0 {
            with.push(format!("class balance {}", optimizer.class_balance));
        }
        if family.loss != FamilyLoss::None {
            with.push(format!("{} times the loss over families", family.weight));
        }
    }
    let with = if with.is_empty() { String::new() } else { format!(" with {}", with.join(", ")) };
    format!(
        "What steps lower: cross-entropy{with}, on the training split's pictures and views. Not to be compared with validation's."
    )
}

/// Lines over the epochs; the axis goes from 0 to the largest value, `least_top` at least.
fn picture(title: &str, least_top: f64, history: &[Epoch], lines: &[Line<'_>], caption: &str) -> String {
    let values: Vec<f64> = history.iter().flat_map(|e| lines.iter().filter_map(|(_, _, of)| of(e))).collect();
    let top = values.iter().copied().fold(least_top, f64::max);
    let last = history.last().map_or(1, |e| e.epoch);
    let x = |epoch: f64| MARGIN + (epoch - 1.0) / (last.max(2) - 1) as f64 * (WIDTH - 2.0 * MARGIN);
    let y = |value: f64| HEIGHT - MARGIN - value / top * (HEIGHT - 2.0 * MARGIN);
    let mut svg = format!(
        "<figure><svg viewBox='0 0 {WIDTH} {HEIGHT}' role=img aria-label='{title} by epoch'><text x={MARGIN} y=20>{title}</text>"
    );
    for part in 0..=4 {
        let value = top * f64::from(part) / 4.0;
        let _ = write!(
            svg,
            "<line x1={MARGIN} x2={x2} y1={y:.1} y2={y:.1} stroke='var(--line)'/><text x={x1} y={t:.1} text-anchor=end>{value:.2}</text>",
            x2 = WIDTH - MARGIN,
            y = y(value),
            x1 = MARGIN - 5.0,
            t = y(value) + 4.0,
        );
    }
    let mut legend = WIDTH - MARGIN;
    for (name, ink, of) in lines.iter().rev() {
        let points: Vec<(f64, f64)> = history.iter().filter_map(|e| Some((x(e.epoch as f64), y(of(e)?)))).collect();
        if points.is_empty() {
            continue;
        }
        let path: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = write!(svg, "<polyline fill=none stroke='{ink}' stroke-width=2 points='{}'/>", path.join(" "));
        for (x, y) in points {
            let _ = write!(svg, "<circle cx={x:.1} cy={y:.1} r=2.5 fill='{ink}'/>");
        }
        if lines.len() > 1 {
            let _ = write!(svg, "<text x={legend} y=20 text-anchor=end style='fill:{ink}'>{name}</text>");
            legend -= 80.0;
        }
    }
    let (right, below) = (WIDTH - MARGIN, HEIGHT - 12.0);
    let _ = write!(
        svg,
        "<text x={right} y={below} text-anchor=end>epoch {last}</text></svg><figcaption>{caption}</figcaption></figure>"
    );
    svg
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::model_card::testing::card;

    fn epoch(number: usize, validation_loss: Option<f64>) -> Epoch {
        Epoch {
            epoch: number,
            step: 4 * number,
            train_loss: 2.5,
            train_family_loss: None,
            train_accuracy: 0.8,
            validation_loss,
            validation_accuracy: validation_loss.map(|_| 0.7),
            seconds: 1.0,
        }
    }

    fn as_json(recipe: &Recipe) -> serde_json::Value {
        serde_json::to_value(recipe).unwrap()
    }

    fn recipe() -> Recipe {
        Recipe::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/training.toml")).unwrap()
    }

    #[test]
    fn a_run_of_one_epoch_without_validation_has_curves() {
        let html = section(&card(as_json(&recipe())), &[epoch(1, None)], Some(1));
        assert!(html.contains("Training loss") && !html.contains("NaN"), "{html}");
        assert!(!html.contains("Validation loss") && !html.contains(">validation<"), "{html}");
    }

    #[test]
    fn each_loss_has_an_axis_of_its_own_and_says_what_it_holds() {
        let mut recipe = recipe();
        (recipe.optimizer.label_smoothing, recipe.head.dropout, recipe.family.loss) = (0.05, 0.3, FamilyLoss::Supcon);
        let html = section(&card(as_json(&recipe)), &[epoch(1, Some(0.5)), epoch(2, Some(0.4))], Some(2));
        let held = "cross-entropy with label smoothing 0.05, dropout 0.3, 1 times the loss over families, on";
        assert!(html.contains(held) && html.contains("Epoch 2 of 2 was kept"), "{html}");
        let axis =
            |title: &str| html.split_once(&format!(">{title}</text>")).unwrap().1.split_once("</svg>").unwrap().0;
        assert!(axis("Training loss").contains(">2.50<") && axis("Validation loss").contains(">0.50<"), "{html}");
    }
}
