//! What is asked of the node itself.

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Schema, Type};

use super::input::query;
use super::operation::{Described, get, post};
use super::texts::{text, words};
use crate::http::error::{NO_SNAPSHOT, NOT_FOUND, NOT_READY};
use crate::http::routes::operations::{Alive, Health, Index, Ready, Snapshot};

const TAR: &str = "application/x-tar";

pub(super) fn operations() -> Vec<Described> {
    let mut all = watching();
    all.extend(keeping());
    all
}

fn watching() -> Vec<Described> {
    let verbose = query("verbose", text(), "Given, the answer has each check.");
    let document: RefOr<Schema> = ObjectBuilder::new()
        .schema_type(Type::Object)
        .property("openapi", words(["3.1.0"]))
        .required("openapi")
        .additional_properties(Some(AdditionalProperties::FreeForm(true)))
        .into();
    vec![
        get("/health", "How the service does").answers::<Health>(200, "How it does"),
        get("/livez", "Whether the process runs").answers::<Alive>(200, "It does"),
        get("/readyz", "Whether the node takes writes")
            .asks([verbose])
            .answers::<Ready>(200, "It does")
            .refuses([&NOT_READY]),
        get("/metrics", "Prometheus text")
            .about("Needs no key on this machine.")
            .answers_with(200, "The metrics", "text/plain", text())
            .refuses([&NOT_FOUND]),
        get("/openapi.json", "This document").answers_with(
            200,
            "The document",
            "application/json",
            document,
        ),
        get("/", "What this is").answers::<Index>(200, "What this is, and where to look"),
    ]
}

fn keeping() -> Vec<Described> {
    let tar = text().content_media_type(TAR);
    vec![
        post("/api/operations/backup", "Copy the node at one moment into one file")
            .about("A tar file. One that ends without its manifest is no backup.")
            .takes_nothing()
            .answers_with(200, "The backup as it is written", TAR, tar),
        post("/api/operations/snapshot", "Write the state down now")
            .takes_nothing()
            .answers::<Snapshot>(200, "The snapshot")
            .refuses([&NO_SNAPSHOT]),
        post("/api/operations/compact", "Make the text of those who left disappear from the disk")
            .takes_nothing()
            .answers::<Snapshot>(200, "The snapshot after which it is gone")
            .refuses([&NO_SNAPSHOT]),
    ]
}
