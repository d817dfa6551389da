//! A mistake in a configuration, and the place of a value.

/// One mistake in a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub(crate) place: Place,
    pub(crate) message: String,
    /// The declared path of the setting; none for what is no setting.
    pub(crate) setting: Option<String>,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A place of the file, counted from 1.
    File {
        /// The line.
        line: usize,
        /// The character of the line.
        column: usize,
    },
    /// A place of the file with the defaults of a fleet.
    Defaults {
        /// The file.
        file: String,
        /// The line, counted from 1.
        line: usize,
        /// The character of the line, counted from 1.
        column: usize,
    },
    /// A variable of the environment.
    Variable(String),
    /// Nowhere: the value is not set.
    Nowhere,
}

impl Problem {
    /// Returns the path of the setting as it is declared. It contains no text of the user, unlike the message: names that
    /// the user chose are `**`. None if the mistake is about no setting.
    pub fn setting(&self) -> Option<&str> {
        self.setting.as_deref()
    }

    /// Returns the place of the mistake.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Returns the mistake with the place where it stands, as an indented line.
    pub fn in_file(&self, file: &str) -> String {
        let place = self.place.in_file(file);
        match &self.place {
            Place::File { .. } | Place::Defaults { .. } => format!("  {place}: {}", self.message),
            Place::Variable(_) => format!("  environment variable {place}: {}", self.message),
            Place::Nowhere => format!("  {file}: {}", self.message),
        }
    }
}

impl Place {
    /// Returns the place in words: `file:3:1`, the name of the variable, or `default`.
    pub fn in_file(&self, file: &str) -> String {
        match self {
            Self::File { line, column } => format!("{file}:{line}:{column}"),
            Self::Defaults { file, line, column } => format!("{file}:{line}:{column}"),
            Self::Variable(name) => name.clone(),
            Self::Nowhere => "default".to_owned(),
        }
    }

    /// Returns the same place for readers of another file.
    pub(crate) fn of_defaults(self, file: &str) -> Self {
        match self {
            Self::File { line, column } => Self::Defaults { file: file.to_owned(), line, column },
            other => other,
        }
    }

    /// Returns the place of an offset in a text.
    pub(crate) fn at(text: &str, offset: usize) -> Self {
        let before = &text[..offset.min(text.len())];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        Self::File { line, column }
    }
}
