//! The plugin `catalog`: creates, lists, reads, updates and deletes entities.

mod metrics;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{
        Path, Query, State,
        rejection::{JsonRejection, QueryRejection},
    },
    routing::get,
};
use http::StatusCode;
use meterkit::{InstrumentError, LabelValue, Registry};
use serde::Deserialize;

use self::metrics::{Attempt, CatalogMetrics};
use crate::{
    database::{self, Database},
    entity::{Change, Entity, Kind},
    http::ErrorAnswer,
};

/// The route of all entities.
pub const ENTITIES: &str = "/catalog/entities";
/// The route of a single entity.
pub const ENTITY: &str = "/catalog/entities/{name}";

/// The maximum number of entities in a list, so that the cost of a list does not grow with the catalog.
pub const LIST_LIMIT: u32 = 100;

/// The plugin.
#[derive(Debug)]
pub struct Catalog {
    database: Database,
    metrics: CatalogMetrics,
}

impl Catalog {
    /// Creates a catalog that keeps its entities in `database` and its metrics in `registry`.
    ///
    /// # Errors
    ///
    /// Returns an error if a metric cannot be created.
    pub fn new(database: Database, registry: &Registry) -> Result<Self, InstrumentError> {
        Ok(Self { database, metrics: CatalogMetrics::register_in(registry)? })
    }

    /// Creates the metrics of the plugin, so that they can be listed.
    pub(crate) fn declare(registry: &Registry) -> Result<(), InstrumentError> {
        CatalogMetrics::register_in(registry).map(drop)
    }

    /// Returns the routes of the plugin.
    pub fn routes(self) -> Router {
        Router::new()
            .route(ENTITIES, get(list).post(create))
            .route(ENTITY, get(read).put(update).delete(delete))
            .with_state(Arc::new(self))
    }

    /// Records every attempt to change an entity, before the client receives the response.
    ///
    /// Requests that cannot be understood (a bad name, an unknown kind) are rejected earlier and are not attempts.
    fn finished<T>(&self, action: Action, result: &Result<T, database::Error>) {
        let success = result.is_ok();
        self.metrics.operations.with(Attempt { action, success }).increment();
        tracing::debug!(action = action.as_str(), success, "entity");
    }
}

/// The change that a request makes to an entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, LabelValue)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Action {
    Create,
    Update,
    Delete,
}

impl Action {
    /// Returns the action as a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

#[derive(Deserialize)]
struct Filter {
    kind: Option<Kind>,
}

async fn create(
    State(catalog): State<Arc<Catalog>>,
    entity: Result<Json<Entity>, JsonRejection>,
) -> Result<(StatusCode, Json<Entity>), ErrorAnswer> {
    let Json(entity) = entity?;
    let result = catalog.database.insert(entity.clone()).await;
    catalog.finished(Action::Create, &result);
    result?;
    Ok((StatusCode::CREATED, Json(entity)))
}

async fn list(
    State(catalog): State<Arc<Catalog>>,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Result<Json<Vec<Entity>>, ErrorAnswer> {
    let Query(filter) = filter?;
    Ok(Json(catalog.database.list(filter.kind, LIST_LIMIT).await?))
}

async fn read(
    State(catalog): State<Arc<Catalog>>,
    Path(name): Path<String>,
) -> Result<Json<Entity>, ErrorAnswer> {
    Ok(Json(catalog.database.get(name).await?))
}

async fn update(
    State(catalog): State<Arc<Catalog>>,
    Path(name): Path<String>,
    change: Result<Json<Change>, JsonRejection>,
) -> Result<Json<Entity>, ErrorAnswer> {
    let Json(change) = change?;
    let result = catalog.database.update(name, change).await;
    catalog.finished(Action::Update, &result);
    Ok(Json(result?))
}

async fn delete(
    State(catalog): State<Arc<Catalog>>,
    Path(name): Path<String>,
) -> Result<StatusCode, ErrorAnswer> {
    let result = catalog.database.delete(name).await;
    catalog.finished(Action::Delete, &result);
    result?;
    Ok(StatusCode::NO_CONTENT)
}
