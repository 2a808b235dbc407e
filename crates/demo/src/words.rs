//! The vocabulary of the assortment: types of bag, colours, names of models.

/// The eight types that the painter can paint. (Outside of this crate a type of bag is data.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Worn on the back by two straps.
    Backpack,
    /// Open at the top, two handles.
    Tote,
    /// A wide travel bag with a zip.
    Weekender,
    /// One strap, worn under the arm.
    ShoulderBag,
    /// Held in the hand: no strap, or a loop for the wrist.
    Clutch,
    /// Round as a coin.
    CircleBag,
    /// A standing cylinder that a cord draws shut.
    BucketBag,
    /// A pouch on a belt.
    BeltBag,
}

impl Kind {
    /// All eight.
    pub const ALL: [Kind; 8] = [
        Kind::Backpack,
        Kind::Tote,
        Kind::Weekender,
        Kind::ShoulderBag,
        Kind::Clutch,
        Kind::CircleBag,
        Kind::BucketBag,
        Kind::BeltBag,
    ];

    /// The key of the type in the taxonomy, such as `shoulder_bag`.
    pub fn key(self) -> &'static str {
        match self {
            Kind::Backpack => "backpack",
            Kind::Tote => "tote",
            Kind::Weekender => "weekender",
            Kind::ShoulderBag => "shoulder_bag",
            Kind::Clutch => "clutch",
            Kind::CircleBag => "circle_bag",
            Kind::BucketBag => "bucket_bag",
            Kind::BeltBag => "belt_bag",
        }
    }

    /// What shops call one in a title.
    pub(crate) fn nouns(self) -> &'static [&'static str] {
        match self {
            Kind::Backpack => &["Backpack", "Rucksack", "Daypack"],
            Kind::Tote => &["Tote", "Tote Bag", "Shopper"],
            Kind::Weekender => &["Weekender", "Duffle", "Holdall"],
            Kind::ShoulderBag => &["Shoulder Bag", "Hobo", "Baguette"],
            Kind::Clutch => &["Clutch", "Evening Clutch"],
            Kind::CircleBag => &["Circle Bag", "Round Bag"],
            Kind::BucketBag => &["Bucket Bag", "Drawstring Bucket Bag"],
            Kind::BeltBag => &["Belt Bag", "Fanny Pack", "Waist Bag"],
        }
    }

    /// What shops call the shelf on which it stands.
    pub(crate) fn category(self) -> &'static str {
        match self {
            Kind::Backpack => "Backpacks",
            Kind::Tote => "Tote Bags",
            Kind::Weekender => "Weekenders",
            Kind::ShoulderBag => "Shoulder Bags",
            Kind::Clutch => "Clutches",
            Kind::CircleBag => "Circle Bags",
            Kind::BucketBag => "Bucket Bags",
            Kind::BeltBag => "Belt Bags",
        }
    }

    /// The same in Swedish.
    pub(crate) fn category_in_swedish(self) -> &'static str {
        match self {
            Kind::Backpack => "Ryggsäckar",
            Kind::Tote => "Totebags",
            Kind::Weekender => "Weekendbags",
            Kind::ShoulderBag => "Axelremsväskor",
            Kind::Clutch => "Kuvertväskor",
            Kind::CircleBag => "Runda väskor",
            Kind::BucketBag => "Hinkväskor",
            Kind::BeltBag => "Midjeväskor",
        }
    }

    /// What an ordinary brand asks for a new one, in euro.
    pub(crate) fn ordinary_price(self) -> u32 {
        match self {
            Kind::Weekender => 190,
            Kind::Backpack | Kind::ShoulderBag => 120,
            Kind::BucketBag | Kind::Tote => 105,
            Kind::CircleBag => 90,
            Kind::Clutch => 65,
            Kind::BeltBag => 55,
        }
    }
}

/// A colour that a bag comes in.
#[derive(Debug, PartialEq, Eq)]
pub struct Colour {
    /// In English.
    pub name: &'static str,
    /// In Swedish.
    pub swedish: &'static str,
    /// sRGB.
    pub rgb: [u8; 3],
}

const fn colour(name: &'static str, swedish: &'static str, r: u8, g: u8, b: u8) -> Colour {
    Colour { name, swedish, rgb: [r, g, b] }
}

/// All colours.
pub(crate) const COLOURS: [Colour; 20] = [
    colour("Black", "Svart", 38, 36, 38),
    colour("Cognac", "Konjak", 158, 90, 48),
    colour("Moss", "Mossgrön", 92, 102, 60),
    colour("Navy", "Marinblå", 38, 48, 82),
    colour("Sand", "Sand", 208, 186, 148),
    colour("Burgundy", "Vinröd", 104, 32, 46),
    colour("Terracotta", "Terrakotta", 188, 96, 66),
    colour("Cream", "Gräddvit", 234, 224, 204),
    colour("Charcoal", "Antracit", 78, 80, 86),
    colour("Mustard", "Senapsgul", 204, 154, 52),
    colour("Blush", "Puderrosa", 222, 172, 164),
    colour("Forest", "Skogsgrön", 38, 76, 58),
    colour("Chocolate", "Choklad", 84, 54, 42),
    colour("Dusty Blue", "Duvblå", 124, 148, 172),
    colour("Cherry", "Körsbärsröd", 174, 34, 44),
    colour("Taupe", "Mullvad", 150, 134, 120),
    colour("Teal", "Petrol", 32, 108, 112),
    colour("Lilac", "Lila", 172, 152, 196),
    colour("Pearl Grey", "Pärlgrå", 192, 194, 196),
    colour("Cobalt", "Koboltblå", 42, 76, 164),
];

/// Names of models, one a family.
pub(crate) const MODELS: [&str; 80] = [
    "Alder", "Amaro", "Ansel", "Arlo", "Ashby", "Aster", "Beck", "Birch", "Bramble", "Brisa", "Calla", "Camber",
    "Carden", "Cedar", "Clover", "Coralie", "Cove", "Dahlia", "Darrow", "Delphi", "Dune", "Eider", "Elm", "Ember",
    "Esme", "Fable", "Farrow", "Finch", "Flint", "Freya", "Garnet", "Gilda", "Grove", "Hadley", "Hazel", "Heron",
    "Holm", "Ines", "Iris", "Isla", "Jonah", "Juniper", "Kelda", "Kite", "Lark", "Laurel", "Linden", "Lotta", "Lumen",
    "Mabel", "Maren", "Maple", "Merle", "Mira", "Nell", "Nova", "Odette", "Olive", "Opal", "Orla", "Paloma", "Perrin",
    "Petra", "Quinn", "Raven", "Rowan", "Sable", "Selby", "Senna", "Sorrel", "Tansy", "Thea", "Tilda", "Umber", "Vera",
    "Willow", "Wren", "Yarrow", "Zola", "Zuri",
];

/// Letters and digits in lower case, hyphens between; accents are taken off.
pub(crate) fn slug(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        let plain = match c {
            'Å' | 'å' | 'Ä' | 'ä' => 'a',
            'Ö' | 'ö' => 'o',
            c if c.is_ascii_alphanumeric() => c.to_ascii_lowercase(),
            '&' => {
                out += "and";
                continue;
            }
            _ => '-',
        };
        if plain != '-' || !(out.is_empty() || out.ends_with('-')) {
            out.push(plain);
        }
    }
    out.trim_end_matches('-').to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_plain() {
        assert_eq!(slug("Quillon & Daw"), "quillon-and-daw");
        assert_eq!(slug("Åsmyra Läder"), "asmyra-lader");
        assert_eq!(slug("Mossgate Supply Co."), "mossgate-supply-co");
    }

    #[test]
    fn no_model_or_colour_occurs_twice() {
        let models: std::collections::BTreeSet<_> = MODELS.iter().collect();
        assert_eq!(models.len(), MODELS.len());
        let colours: std::collections::BTreeSet<_> = COLOURS.iter().map(|c| c.name).collect();
        assert_eq!(colours.len(), COLOURS.len());
    }
}
