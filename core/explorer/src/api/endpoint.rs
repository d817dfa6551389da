//! One call of the API: its route and its description.

use std::sync::Arc;

use axum::routing::MethodRouter;

use crate::Explorer;

/// A call.
pub(crate) struct Endpoint {
    /// `get` or `post`.
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    /// One sentence.
    pub(crate) summary: &'static str,
    pub(crate) parameters: Vec<Parameter>,
    /// The kind of the body that it takes.
    pub(crate) body: Option<&'static str>,
    pub(crate) answer: Answer,
    pub(crate) route: MethodRouter<Arc<Explorer>>,
}

/// The answer of a call.
pub(crate) enum Answer {
    /// JSON of a kind, in the notation of the descriptions: `Run`, `[Run]`, `any`.
    Json(&'static str),
    Csv,
}

/// Where a parameter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Location {
    Path,
    Query,
}

/// A parameter of a call; those in the path are required.
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) location: Location,
    pub(crate) is_required: bool,
    /// The kind of its values, in the notation of the descriptions: `text`, `integer`.
    pub(crate) kind: &'static str,
    pub(crate) description: &'static str,
}

impl Endpoint {
    /// A call that is read with GET.
    pub(crate) fn get(
        path: &'static str,
        summary: &'static str,
        answer: &'static str,
        route: MethodRouter<Arc<Explorer>>,
    ) -> Self {
        let parameters = if path.contains("{tenant}") {
            vec![Parameter {
                name: "tenant",
                location: Location::Path,
                is_required: true,
                kind: "text",
                description: "The name of the tenant, as `/api/v1/session` lists it.",
            }]
        } else {
            Vec::new()
        };
        let answer = Answer::Json(answer);
        Self { method: "get", path, summary, parameters, body: None, answer, route }
    }

    /// The same with a body that is sent with POST.
    pub(crate) fn post(
        path: &'static str,
        summary: &'static str,
        body: &'static str,
        answer: &'static str,
        route: MethodRouter<Arc<Explorer>>,
    ) -> Self {
        Self { method: "post", body: Some(body), ..Self::get(path, summary, answer, route) }
    }

    /// Answers CSV.
    pub(crate) fn csv(self) -> Self {
        Self { answer: Answer::Csv, ..self }
    }

    /// Adds a parameter of the path.
    pub(crate) fn in_path(self, name: &'static str, description: &'static str) -> Self {
        self.with(Parameter {
            name,
            location: Location::Path,
            is_required: true,
            kind: "text",
            description,
        })
    }

    /// Adds a parameter that must be given.
    pub(crate) fn required(self, name: &'static str, description: &'static str) -> Self {
        self.with(Parameter {
            name,
            location: Location::Query,
            is_required: true,
            kind: "text",
            description,
        })
    }

    /// Adds a parameter that may be given.
    pub(crate) fn optional(self, name: &'static str, description: &'static str) -> Self {
        self.optional_of("text", name, description)
    }

    /// Adds a whole number that may be given.
    pub(crate) fn optional_number(self, name: &'static str, description: &'static str) -> Self {
        self.optional_of("integer", name, description)
    }

    /// Adds the generation to read, which may be given.
    pub(crate) fn with_generation(self) -> Self {
        self.optional("generation", "The ID of the generation; the published one if it is missing.")
    }

    fn optional_of(
        self,
        kind: &'static str,
        name: &'static str,
        description: &'static str,
    ) -> Self {
        let (location, is_required) = (Location::Query, false);
        self.with(Parameter { name, location, is_required, kind, description })
    }

    fn with(mut self, parameter: Parameter) -> Self {
        self.parameters.push(parameter);
        self
    }
}
