//! The titles of software that the tenant's devices draw from: one per name, version and publisher.

use super::dice::{self, Dice, Kind, uid};
use super::products::{LINUX, MAC, N_INVENTED, Product, WINDOWS, invented};

/// One package of the catalogue.
#[derive(Debug)]
pub(crate) struct Title {
    pub(crate) uid: (u64, u64),
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) publisher: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) platform: &'static str,
}

/// The titles of one platform in the catalogue, and the way devices draw from them.
///
/// A device draws one title from each of several neighbouring ranges, so its titles are distinct
/// without a record of earlier draws. The ranges widen towards the end, which makes the first
/// titles popular and the last ones rare, as in a real estate (roughly Zipf's law).
#[derive(Debug)]
pub(crate) struct Shelf {
    /// The beginning of each range, and the end of the last one.
    bounds: Vec<usize>,
}

impl Shelf {
    fn new(first: u32, titles: u32, ranges: u32) -> Self {
        let spare = u128::from(titles - ranges);
        let cube = u128::from(ranges.max(1)).pow(3);
        let bounds = (0..=ranges).map(|range| {
            let widened = spare * u128::from(range).pow(3) / cube;
            let bound = u128::from(first) + u128::from(range) + widened;
            usize::try_from(bound).expect("a shelf is no longer than the catalogue")
        });
        Self { bounds: bounds.collect() }
    }

    /// The title of draw `position` of `count`; `random` chooses within the range.
    pub(crate) fn title(&self, position: u64, count: u64, random: u64) -> usize {
        let ranges = self.bounds.len() as u64 - 1;
        let range = usize::try_from(position * ranges / count).expect("less than a length");
        let (first, end) = (self.bounds[range], self.bounds[range + 1]);
        first + dice::position(random, end - first)
    }
}

/// Every title, and the shelf of each platform.
#[derive(Debug)]
pub(crate) struct Catalogue {
    pub(crate) titles: Vec<Title>,
    pub(crate) windows: Shelf,
    pub(crate) mac: Shelf,
    pub(crate) linux: Shelf,
}

impl Catalogue {
    pub(crate) fn new(seed: u64, packages_per_device: u32) -> Self {
        // The most titles of a device: one and a half times the mean.
        let ranges = packages_per_device + packages_per_device / 2;
        let windows = packages_per_device.saturating_mul(24).min(4_000).max(ranges * 2);
        let mac = (windows / 4).max(ranges);
        let linux = (windows / 8).max(ranges);
        let mut titles = Vec::new();
        for (platform, products, count) in
            [("Windows", WINDOWS, windows), ("macOS", MAC, mac), ("Linux", LINUX, linux)]
        {
            for rank in 0..count as usize {
                titles.push(title(seed, titles.len() as u64, platform, products, rank));
            }
        }
        Self {
            titles,
            windows: Shelf::new(0, windows, ranges),
            mac: Shelf::new(windows, mac, ranges),
            linux: Shelf::new(windows + mac, linux, ranges),
        }
    }
}

/// Title `rank` of a platform: each product in its latest version first, then older ones.
fn title(
    seed: u64,
    index: u64,
    platform: &'static str,
    products: &[Product],
    rank: usize,
) -> Title {
    let n_products = products.len() + N_INVENTED;
    let (position, age) = (rank % n_products, (rank / n_products) as u64);
    let mut dice = Dice::new(seed, Kind::Title, index);
    let product = match products.get(position) {
        Some(product) => product.clone(),
        None => invented(position - products.len()),
    };
    let (name, version) = product.edition(age, &mut dice);
    Title {
        uid: uid(seed, Kind::TitleUid, index),
        name,
        version,
        publisher: product.publisher,
        kind: if product.is_update() { "Update" } else { "Program" },
        platform: if product.platform_known { platform } else { "" },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_titles_share_a_uid_or_a_name() {
        for packages_per_device in [1, 2, 20, 150, 3_000] {
            let catalogue = Catalogue::new(1, packages_per_device);
            let mut uids = HashSet::new();
            let mut meanings = HashSet::new();
            for title in &catalogue.titles {
                assert!(uids.insert(title.uid));
                let meaning =
                    (&title.name, &title.version, title.publisher, title.platform, title.kind);
                assert!(meanings.insert(meaning), "{meaning:?}");
            }
        }
    }

    #[test]
    fn the_draws_of_a_device_are_distinct_and_stay_on_its_shelf() {
        let shelf = Shelf::new(100, 500, 30);
        for count in [1, 7, 20, 30] {
            let drawn: HashSet<usize> =
                (0..count).map(|position| shelf.title(position, count, position * 7_919)).collect();
            assert_eq!(drawn.len() as u64, count);
            assert!(drawn.iter().all(|title| (100..600).contains(title)));
        }
    }
}
