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
