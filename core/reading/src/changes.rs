//! Comparisons of two generations.

use core_engine::Failure;
use core_model::step::Step;
use core_query::DiffRequest;

use crate::reader::Reader;

/// Returns a comparison of two generations, of everything that is not volatile.
///
/// # Errors
///
/// One of them is not there.
pub fn request(reader: &Reader<'_>, before: &str, after: &str) -> Result<DiffRequest, Failure> {
    Ok(DiffRequest {
        before: reader.generation(Some(before))?,
        after: reader.generation(Some(after))?,
        types: Vec::new(),
        properties: Vec::new(),
        volatile: volatile(),
        withholding: None,
    })
}

/// Returns the properties that change with every run, by type and name.
pub fn volatile() -> Vec<(String, String)> {
    let entities = Step::all().into_iter().flat_map(|step| step.entities);
    let properties = entities.flat_map(|entity| {
        let properties = entity.properties.iter().filter(|property| property.volatile);
        properties.map(|property| (entity.type_name.to_owned(), property.name.to_owned()))
    });
    properties.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fixture, IDS};

    #[test]
    fn a_comparison_is_of_the_two_that_are_named_in_this_order_and_of_everything() {
        let fixture = Fixture::new(3);
        let reader = fixture.reader(None);
        let request = request(&reader, "2026-03-01", "current").map_err(|failure| failure.error);
        let request = request.expect("both are kept");
        let ids = (request.before.id().as_str(), request.after.id().as_str());
        assert_eq!(ids, (IDS[0], IDS[2]));
        assert!(request.types.is_empty() && request.properties.is_empty());
        assert!(request.withholding.is_none());
    }

    #[test]
    fn a_comparison_with_a_generation_that_is_not_kept_is_refused() {
        let fixture = Fixture::new(1);
        let reader = fixture.reader(None);
        for (before, after) in [("previous", "current"), ("current", "2025-01-01")] {
            let refused = request(&reader, before, after).err().expect("it is not kept");
            assert!(refused.error.to_string().starts_with("there is no generation"));
        }
    }

    #[test]
    fn what_changes_with_every_run_is_left_out_and_nothing_else() {
        let volatile = volatile();
        let has = |type_name: &str, property: &str| {
            volatile.iter().any(|(known, name)| known == type_name && name == property)
        };
        assert!(has("nexthink_device", "lastSeenOn"));
        assert!(!has("nexthink_device", "name") && !has("nexthink_package", "version"));
    }
}
