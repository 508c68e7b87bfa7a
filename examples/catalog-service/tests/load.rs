//! The load generator's tally equals what the service itself recorded.

use std::{collections::BTreeMap, time::Duration};

use catalog_service::{
    Config, Running, Service,
    database::{Database, Operation},
    entity::Kind,
    http::Method,
    load::{self, EndedTasks, Request, Tally},
    scaffolder::{Outcome, Template},
};
use tokio::net::TcpListener;

async fn service() -> Running {
    Service::start(Config::default()).await.expect("the service starts")
}

async fn rows(database: &Database) -> BTreeMap<Kind, u64> {
    database.count_by_kind().await.expect("the rows can be counted")
}

fn rows_of(tally: &Tally) -> BTreeMap<Kind, u64> {
    Kind::ALL.map(|kind| (kind, tally.rows.get(&kind))).into()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tally_says_what_is_in_the_database_and_which_statements_ran() {
    let service = service().await;
    let tally = load::run(&service.url(), 600, 4).await.unwrap();

    assert_eq!(service.database().statements(), tally.statements().into_map());
    assert_eq!(rows(service.database()).await, rows_of(&tally));
    assert_eq!(service.tasks_in_flight(), 0);
    service.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tally_is_exact_with_many_workers_and_with_loads_side_by_side() {
    let service = service().await;
    let url = service.url();
    let (mut tally, other) =
        tokio::try_join!(load::run(&url, 1500, 8), load::run(&url, 701, 3)).unwrap();
    tally.merge(other);

    assert_eq!(service.database().statements(), tally.statements().into_map());
    assert_eq!(rows(service.database()).await, rows_of(&tally));
    service.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_load_has_every_kind_of_request_and_answer() {
    let service = service().await;
    // Three complete rounds of one worker.
    let tally = load::run(&service.url(), 3 * 28, 1).await.unwrap();
    service.stop().await.unwrap();

    let (entities, entity, tasks, task) = (
        "/catalog/entities",
        "/catalog/entities/{name}",
        "/scaffolder/tasks",
        "/scaffolder/tasks/{id}",
    );
    for (method, route, status, count) in [
        (Method::Post, entities, 201, 9),
        (Method::Post, entities, 409, 3),
        (Method::Post, entities, 422, 6),
        (Method::Get, entities, 200, 6),
        (Method::Get, entities, 400, 3),
        (Method::Patch, entities, 405, 3),
        (Method::Get, entity, 200, 3),
        (Method::Get, entity, 404, 3),
        (Method::Put, entity, 200, 6),
        (Method::Put, entity, 404, 3),
        (Method::Delete, entity, 204, 6),
        (Method::Delete, entity, 404, 3),
        (Method::Post, tasks, 202, 12),
        (Method::Post, tasks, 422, 3),
        (Method::Get, task, 404, 3),
        (Method::Get, "unmatched", 404, 3),
        (Method::Other, "unmatched", 404, 3),
    ] {
        let request = Request { method, route, status };
        assert_eq!(tally.requests.get(&request), count, "{request}");
    }
    for (template, outcome, count) in [
        (Template::Service, Outcome::Done, 3),
        (Template::Service, Outcome::Failed, 3),
        (Template::Website, Outcome::Done, 3),
        (Template::Broken, Outcome::Failed, 3),
    ] {
        let ended = EndedTasks { template, outcome };
        assert_eq!(tally.tasks.get(&ended), count, "{ended}");
    }
    for kind in Kind::ALL {
        assert_eq!(tally.created.get(&kind), 3, "{kind}");
        assert_eq!(tally.updated.get(&kind), 2, "{kind}");
        assert_eq!(tally.deleted.get(&kind), 2, "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paced_load_keeps_its_rate_and_is_as_exact() {
    let service = service().await;
    let stop = tokio::time::sleep(Duration::from_secs(2));
    let tally = load::run_paced(&service.url(), 100.try_into().unwrap(), stop).await.unwrap();

    // 200 requests, plus those that wait for the last tasks. The bounds are wide, because the machine may be busy.
    let sent = tally.requests.total();
    assert!((100..=1000).contains(&sent), "{sent} requests");
    assert_eq!(service.database().statements(), tally.statements().into_map());
    assert_eq!(rows(service.database()).await, rows_of(&tally));
    service.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_without_answers_is_an_error_that_names_the_request() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let hangs_up = tokio::spawn(async move {
        while let Ok((connection, _)) = silent.accept().await {
            drop(connection);
        }
    });

    let error = load::run(&url, 10, 2).await.unwrap_err();
    assert!(error.to_string().starts_with(&format!("POST {url}/catalog/entities: ")), "{error}");
    hangs_up.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_can_be_counted_without_async_and_without_keeping_the_database_open() {
    let service = service().await;
    let tally = load::run(&service.url(), 100, 1).await.unwrap();
    let database = service.database().downgrade();

    let counted = database.upgrade().map(|database| database.count_by_kind_blocking().unwrap());
    assert_eq!(counted, Some(rows_of(&tally)));
    let counts = service.database().statements();
    assert_eq!(
        counts.iter().filter(|(statement, _)| statement.operation == Operation::Count).count(),
        1
    );

    service.stop().await.unwrap();
    let closed = async {
        while database.upgrade().is_some() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), closed)
        .await
        .expect("nothing keeps the database open");
}
