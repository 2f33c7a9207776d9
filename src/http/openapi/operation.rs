//! One operation: what its route's handler takes and answers.

use utoipa::ToSchema;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::path::{OperationBuilder, Parameter};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{ObjectBuilder, Schema};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{Ref, RefOr, Required};

use super::input;
use super::problems::{self, Brings};
use crate::http::auth::Access;
use crate::http::endpoint::Route;
use crate::http::error::Kind;

const JSON: &str = "application/json";

/// The two ways to say who one is.
pub(super) const KEY: &str = "key";
pub(super) const PERSON_TOKEN: &str = "person_token";

/// What is said of a route beyond what the list of routes says.
pub(super) struct Described {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    summary: &'static str,
    about: Option<&'static str>,
    parameters: Vec<Parameter>,
    body: Option<(ObjectBuilder, Required)>,
    key: bool,
    answers: Vec<(u16, Response)>,
    refusals: Vec<&'static Kind>,
    /// The schemas that the answers name.
    pub(super) schemas: Vec<(String, RefOr<Schema>)>,
}

/// A GET, to be told more of.
pub(super) fn get(path: &'static str, summary: &'static str) -> Described {
    Described::new("GET", path, summary)
}

/// A POST, to be told more of.
pub(super) fn post(path: &'static str, summary: &'static str) -> Described {
    Described::new("POST", path, summary)
}

/// A DELETE, to be told more of.
pub(super) fn delete(path: &'static str, summary: &'static str) -> Described {
    Described::new("DELETE", path, summary)
}

impl Described {
    fn new(method: &'static str, path: &'static str, summary: &'static str) -> Self {
        let named = |segment: &'static str| segment.strip_prefix('{')?.strip_suffix('}');
        let parameters = path.split('/').filter_map(named).filter_map(input::path).collect();
        Self {
            method,
            path,
            summary,
            about: None,
            parameters,
            body: None,
            key: false,
            answers: Vec::new(),
            refusals: Vec::new(),
            schemas: Vec::new(),
        }
    }

    /// What the summary leaves open.
    pub(super) fn about(self, about: &'static str) -> Self {
        Self { about: Some(about), ..self }
    }

    /// That the parameter of the path is another one than its name usually stands for.
    pub(super) fn names(mut self, parameter: Parameter) -> Self {
        self.parameters.retain(|usual| usual.name != parameter.name);
        self.parameters.insert(0, parameter);
        self
    }

    /// Parameters behind the `?`. Others are refused.
    pub(super) fn asks<const N: usize>(mut self, parameters: [Parameter; N]) -> Self {
        self.parameters.extend(parameters);
        self
    }

    /// A body of JSON.
    pub(super) fn takes(self, body: ObjectBuilder) -> Self {
        Self { body: Some((body, Required::True)), ..self }
    }

    /// An empty body, or an empty object.
    pub(super) fn takes_nothing(self) -> Self {
        let nothing = input::object([]).max_properties(Some(0));
        Self { body: Some((nothing, Required::False)), ..self }
    }

    /// That a repetition with the same `Idempotency-Key` gives the first answer again.
    pub(super) fn repeatable(mut self) -> Self {
        self.parameters.push(input::idempotency_key());
        Self { key: true, ..self }
    }

    /// A success, as JSON.
    pub(super) fn answers<T: ToSchema>(mut self, status: u16, about: &'static str) -> Self {
        T::schemas(&mut self.schemas);
        self.schemas.push((T::name().into_owned(), T::schema()));
        self.answers_with(status, about, JSON, Ref::from_schema_name(T::name()))
    }

    /// A success of another media type.
    pub(super) fn answers_with(
        mut self,
        status: u16,
        about: &'static str,
        media_type: &'static str,
        schema: impl Into<RefOr<Schema>>,
    ) -> Self {
        let content = ContentBuilder::new().schema(Some(schema)).build();
        let answer = ResponseBuilder::new().description(about).content(media_type, content);
        self.answers.push((status, answer.build()));
        self
    }

    /// What this route may refuse, beyond what follows from its key and its input.
    pub(super) fn refuses<const N: usize>(mut self, kinds: [&'static Kind; N]) -> Self {
        self.refusals.extend(kinds);
        self
    }

    /// All of it, with what the list of routes says.
    pub(super) fn operation(self, route: &Route) -> OperationBuilder {
        let brings = Brings {
            // Parameters that are not known are refused, where there are none too.
            parameters: !self.parameters.is_empty() || self.path.starts_with("/api/"),
            body: self.body.is_some(),
            json: matches!(self.body, Some((_, Required::True))),
            key: self.key,
        };
        let problems = problems::responses(route.access, brings, &self.refusals);
        let body = self.body.map(|(schema, required)| {
            let content = ContentBuilder::new().schema(Some(schema)).build();
            RequestBodyBuilder::new().content(JSON, content).required(Some(required)).build()
        });
        let mut operation = OperationBuilder::new()
            .tag(tag(self.path))
            .operation_id(Some(id(self.method, self.path)))
            .summary(Some(self.summary))
            .description(self.about)
            .parameters(Some(self.parameters).filter(|parameters| !parameters.is_empty()))
            .request_body(body)
            .securities(Some(security(route.access)));
        for (status, answer) in self.answers {
            operation = operation.response(status.to_string(), answer);
        }
        for (status, problem) in problems {
            operation = operation.response(status.to_string(), problem);
        }
        operation
    }
}

/// Who may call: each requirement is one way to say so.
fn security(access: Access) -> Vec<SecurityRequirement> {
    let key = |scope| SecurityRequirement::new(KEY, [scope]);
    match access {
        Access::Probe | Access::Public => Vec::new(),
        Access::Person => vec![SecurityRequirement::new(PERSON_TOKEN, [""; 0])],
        Access::App => vec![key("app")],
        Access::Admin => vec![key("admin")],
        Access::Metrics => vec![SecurityRequirement::default(), key("metrics")],
    }
}

/// The service of a path, or the node itself.
fn tag(path: &str) -> &str {
    let service = path.strip_prefix("/api/").and_then(|rest| rest.split('/').next());
    service.unwrap_or("node")
}

/// `post_waitlist_join`: the method, and the words of the path.
fn id(method: &str, path: &str) -> String {
    let word = |letter: char| letter.is_ascii_alphanumeric();
    let words = path.split(|letter| !word(letter)).filter(|it| !it.is_empty() && *it != "api");
    let words: Vec<&str> = words.collect();
    format!("{}_{}", method.to_ascii_lowercase(), words.join("_"))
}
