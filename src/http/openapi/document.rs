//! The whole document: every route of the list, with what is said of it.

use std::collections::BTreeMap;

use utoipa::openapi::info::{Info, InfoBuilder, LicenseBuilder};
use utoipa::openapi::path::{HttpMethod, PathItem, PathsBuilder};
use utoipa::openapi::schema::{Components, ComponentsBuilder, Schema};
use utoipa::openapi::security::{Http, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::tag::{Tag, TagBuilder};
use utoipa::openapi::{OpenApi, OpenApiBuilder, RefOr};
use utoipa::{PartialSchema, ToSchema};

use super::operation::{Described, KEY, PERSON_TOKEN};
use super::{invites, node, problems, quality, referrals, review, waitlist};
use crate::http::endpoint::Route;
use crate::http::error::Document;
use crate::http::routes;

const ABOUT: &str = "\
Decides who gets into a product and when: a waitlist with priorities, invite codes, a referral \
graph, and quality gates that slow or stop inviting.

Times are RFC 3339 in UTC with `Z`. Ids are UUIDs. Bodies are JSON of at most 64 KiB; unknown \
fields and parameters are refused, and `null` counts as absent. Errors are problem documents \
(RFC 9457) with a stable `code`. Lists page with `limit` and `after`, which is the `next` of the \
page before. Answers may get more fields in later versions; those that are here stay.

A node serves all of this on one port, and each service's own routes on a port of its own.";

const TAGS: [(&str, &str); 6] = [
    ("waitlist", "Joining, standing in line, invite waves, leaving."),
    ("invites", "Invite codes: issuing, holding and using them, asking about them."),
    ("referrals", "Who brought whom, and what that earns."),
    ("quality", "What became of the people who were let in, and what follows for inviting."),
    ("operations", "Backups, snapshots, erasing for good."),
    ("node", "Whether the node lives, takes writes, and how it does."),
];

/// The document as it is served, printed and committed.
pub(crate) fn text() -> String {
    let document = document();
    let mut text = document.to_pretty_json().expect("a document is texts, numbers and lists");
    text.push('\n');
    text
}

fn document() -> OpenApi {
    let mut described = described();
    let mut paths = PathsBuilder::new();
    let mut schemas = BTreeMap::new();
    collect(&mut schemas, Document::name().into_owned(), Document::schema());
    let mut nested = Vec::new();
    Document::schemas(&mut nested);
    for route in routes().list() {
        // A test holds the two lists to each other.
        let Some(mut about) = described.remove(&(route.method, route.path)) else { continue };
        nested.append(&mut about.schemas);
        let operation = about.operation(route);
        paths = paths.path(route.path, PathItem::new(method(route), operation));
    }
    for (name, schema) in nested {
        collect(&mut schemas, name, schema);
    }
    let tag = |(name, about): (&str, &str)| -> Tag {
        TagBuilder::new().name(name).description(Some(about)).build()
    };
    OpenApiBuilder::new()
        .info(info())
        .paths(paths)
        .components(Some(components(schemas)))
        .tags(Some(TAGS.map(tag)))
        .build()
}

fn info() -> Info {
    let license = LicenseBuilder::new()
        .name(env!("CARGO_PKG_LICENSE"))
        .identifier(Some(env!("CARGO_PKG_LICENSE")));
    InfoBuilder::new()
        .title("VoBee")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(ABOUT))
        .license(Some(license.build()))
        .build()
}

fn components(schemas: BTreeMap<String, RefOr<Schema>>) -> Components {
    let bearer = |about: &str| -> SecurityScheme {
        let bearer: Http =
            HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(about)).build();
        SecurityScheme::Http(bearer)
    };
    ComponentsBuilder::new()
        .schemas_from_iter(schemas)
        .responses_from_iter(problems::shared())
        .security_scheme(
            KEY,
            bearer("An API key, `vobee_<id>_<secret>`, of the scope that is named or of `admin`."),
        )
        .security_scheme(PERSON_TOKEN, bearer("The `person_token` that a join has answered."))
        .build()
}

/// What is said of the routes, by method and path.
fn described() -> BTreeMap<(&'static str, &'static str), Described> {
    let all = [
        waitlist::operations(),
        invites::operations(),
        referrals::operations(),
        quality::operations(),
        review::operations(),
        node::operations(),
    ];
    all.into_iter().flatten().map(|about| ((about.method, about.path), about)).collect()
}

fn collect(schemas: &mut BTreeMap<String, RefOr<Schema>>, name: String, schema: RefOr<Schema>) {
    match schemas.get(&name) {
        Some(known) => debug_assert!(*known == schema, "two structs are named {name}"),
        None => {
            schemas.insert(name, schema);
        }
    }
}

fn method(route: &Route) -> HttpMethod {
    match route.method {
        "POST" => HttpMethod::Post,
        "DELETE" => HttpMethod::Delete,
        _ => HttpMethod::Get,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_route_is_described_and_nothing_else() {
        let routes = routes();
        let listed = routes.list().iter().map(|route| (route.method, route.path));
        let listed: BTreeSet<_> = listed.collect();
        let described: BTreeSet<_> = described().into_keys().collect();
        let missing: Vec<_> = listed.difference(&described).collect();
        assert!(missing.is_empty(), "say in src/http/openapi what these are: {missing:?}");
        let gone: Vec<_> = described.difference(&listed).collect();
        assert!(gone.is_empty(), "src/http/openapi describes what is no route: {gone:?}");
    }

    #[test]
    fn every_parameter_of_a_path_is_described() {
        let text = serde_json::to_value(document()).expect("JSON");
        for route in routes().list() {
            let item = &text["paths"][route.path][route.method.to_lowercase()];
            let given = item["parameters"].as_array().cloned().unwrap_or_default();
            let given = given.iter().filter(|it| it["in"] == "path").count();
            assert_eq!(given, route.path.matches('{').count(), "{}", route.path);
        }
    }

    #[test]
    fn the_committed_document_is_the_one_that_the_code_makes() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json");
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            committed == text(),
            "docs/openapi.json is not what the code says; write it anew with\n    \
             cargo run -- openapi > docs/openapi.json"
        );
    }
}
