//! One setting as it is declared.

/// A setting of the configuration file.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// The path with dots, `nexthink.region`. A part `*` stands for the name of a query, `**` at the
    /// end for any names.
    pub path: &'static str,
    /// The kind of its value.
    pub kind: Kind,
    /// The value if it is not set.
    pub absent: Absent,
    /// The unit of a number: `days`.
    pub unit: Option<&'static str>,
    /// Its meaning, in words without a full stop.
    pub sentence: &'static str,
    /// An example, as TOML.
    pub example: &'static str,
}

/// The type of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// The path of a file or folder.
    Path,
    /// A reference to a secret, never the secret itself.
    Secret,
    /// True or false.
    Flag,
    /// A whole number within bounds.
    Integer {
        /// The smallest.
        least: u64,
        /// The largest.
        most: u64,
    },
    /// A list of texts.
    Texts,
}

/// The value of a setting that is not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// Its table cannot do without it.
    Required,
    /// This value, as TOML.
    Default(&'static str),
    /// A phrase, such as `computed from the tenant`.
    Otherwise(&'static str),
}

/// A table of the configuration file.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// The path with dots, `destinations.jupiterone`.
    pub path: &'static str,
    /// Its purpose.
    pub sentence: &'static str,
    /// True if it does nothing unless something in it is set.
    pub is_optional: bool,
    /// The settings of it that a new file shows as comments.
    pub starters: &'static [&'static str],
    /// The settings in it and below it.
    pub settings: &'static [Setting],
}

/// A part of a reference to a secret.
pub(crate) struct SecretPart {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) absent: Absent,
    pub(crate) sentence: &'static str,
}

/// The parts of a reference to a secret. The first three exclude each other.
pub(crate) const SECRET_PARTS: [SecretPart; 4] = [
    SecretPart {
        name: "env",
        kind: Kind::Text,
        absent: Absent::Otherwise("none"),
        sentence: "Variable of the environment that holds the secret",
    },
    SecretPart {
        name: "file",
        kind: Kind::Path,
        absent: Absent::Otherwise("none"),
        sentence: "File that holds the secret and that only you can read",
    },
    SecretPart {
        name: "command",
        kind: Kind::Texts,
        absent: Absent::Otherwise("none"),
        sentence: "Command that prints the secret, with its arguments",
    },
    SecretPart {
        name: "timeout_s",
        kind: Kind::Integer { least: 1, most: 3_600 },
        absent: Absent::Default("30"),
        sentence: "Seconds that the command may take",
    },
];

impl Setting {
    const fn new(path: &'static str, kind: Kind, sentence: &'static str) -> Self {
        Self { path, kind, absent: Absent::Otherwise("none"), unit: None, sentence, example: "" }
    }

    /// Declares that the table cannot do without it.
    pub(crate) const fn required(mut self) -> Self {
        self.absent = Absent::Required;
        self
    }

    /// Declares the value that holds if it is not set, as TOML.
    pub(crate) const fn default(mut self, value: &'static str) -> Self {
        self.absent = Absent::Default(value);
        self
    }

    /// Declares in words what holds if it is not set.
    pub(crate) const fn otherwise(mut self, phrase: &'static str) -> Self {
        self.absent = Absent::Otherwise(phrase);
        self
    }

    /// Declares an example, as TOML.
    pub(crate) const fn example(mut self, value: &'static str) -> Self {
        self.example = value;
        self
    }
}

impl Kind {
    /// Describes what a value must be: `must be …`.
    pub(crate) fn expected(&self) -> String {
        match self {
            Self::Text | Self::Path | Self::Choice(_) => "a text in quotes".to_owned(),
            Self::Secret => "a reference to a secret".to_owned(),
            Self::Flag => "true or false".to_owned(),
            Self::Integer { least, most } => format!("a whole number from {least} to {most}"),
            Self::Texts => "a list of texts".to_owned(),
        }
    }
}

/// A text.
pub(crate) const fn text(path: &'static str, sentence: &'static str) -> Setting {
    Setting::new(path, Kind::Text, sentence)
}

/// One of several words.
pub(crate) const fn choice(
    path: &'static str,
    words: &'static [&'static str],
    sentence: &'static str,
) -> Setting {
    Setting::new(path, Kind::Choice(words), sentence)
}

/// The path of a file or folder.
pub(crate) const fn path(path: &'static str, sentence: &'static str) -> Setting {
    Setting::new(path, Kind::Path, sentence)
}

/// A reference to a secret.
pub(crate) const fn secret(path: &'static str, sentence: &'static str) -> Setting {
    Setting::new(path, Kind::Secret, sentence)
}

/// A flag that is false unless it is set.
pub(crate) const fn flag(path: &'static str, sentence: &'static str) -> Setting {
    Setting::new(path, Kind::Flag, sentence).default("false").example("true")
}

/// A whole number within bounds.
pub(crate) const fn integer(
    path: &'static str,
    (least, most): (u64, u64),
    unit: &'static str,
    sentence: &'static str,
) -> Setting {
    let mut setting = Setting::new(path, Kind::Integer { least, most }, sentence);
    setting.unit = Some(unit);
    setting
}

/// A list of texts.
pub(crate) const fn texts(path: &'static str, sentence: &'static str) -> Setting {
    Setting::new(path, Kind::Texts, sentence)
}
