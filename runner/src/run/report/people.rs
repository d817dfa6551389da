//! What a step says about people: rows of those who were erased, and login names that look hashed.

use super::StepReport;

impl StepReport {
    /// Adds a remark on erased people, and on login names that the Collector hashes.
    pub(super) fn remark_on_people(&self, remarks: &mut Vec<String>) {
        if self.rows.suppressed > 0 {
            let count = self.rows.suppressed;
            remarks.push(format!("{}: {count} rows of who was erased were left out", self.id));
        }
        let (hashed, plain) = (self.hashed_names, self.plain_names);
        if hashed > 0 && plain > 0 {
            remarks.push(format!(
                "{}: {hashed} user names look hashed by the Collector and {plain} do not, so that one \
                 person may have two pseudonyms; set the Collectors alike",
                self.id
            ));
        } else if hashed > 0 {
            remarks.push(format!(
                "{}: all {hashed} user names look hashed by the Collector already",
                self.id
            ));
        }
    }
}
