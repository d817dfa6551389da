//! The values of a parameter: the forms that its type and its minimum allow.

use super::{Parameter, ParameterKind, QuestionError};
use crate::parameters::ParameterValue;
use crate::{functions, literals};

impl Parameter {
    pub(crate) fn value(&self, text: &str) -> Result<ParameterValue, QuestionError> {
        let written = || ParameterValue::Text(text.trim().to_owned());
        let value = match self.kind {
            ParameterKind::Text => Some(ParameterValue::Text(text.to_owned())),
            ParameterKind::Integer => {
                let number = text.trim().parse().ok();
                let number =
                    number.filter(|number| self.minimum.is_none_or(|least| *number >= least));
                number.map(ParameterValue::Integer)
            }
            ParameterKind::Number => text.trim().parse().ok().map(ParameterValue::Number),
            ParameterKind::Boolean => text.trim().parse().ok().map(ParameterValue::Boolean),
            ParameterKind::Network => functions::read_network(text).map(|_| written()),
            ParameterKind::Version => core_software::is_version(text).then(written),
        };
        value.ok_or_else(|| QuestionError::InvalidParameter {
            name: self.name.clone(),
            expected: self.expected(),
        })
    }

    /// The form of its values, in words.
    fn expected(&self) -> String {
        match (self.kind, self.minimum) {
            (ParameterKind::Text, _) => "a text".to_owned(),
            (ParameterKind::Integer, Some(least)) => format!("a whole number from {least}"),
            (ParameterKind::Integer, None) => "a whole number".to_owned(),
            (ParameterKind::Number, _) => "a number".to_owned(),
            (ParameterKind::Boolean, _) => "true or false".to_owned(),
            (ParameterKind::Network, _) => format!("an {}", literals::NETWORK),
            (ParameterKind::Version, _) => format!("a {}", literals::VERSION),
        }
    }
}
