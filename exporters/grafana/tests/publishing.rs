//! Dashboards are created and updated in Grafana, unless a person has changed them.

use std::time::Duration;

use meterkit_grafana::{DashboardPublisher, PublishConfig, PublishError, Published, Secret};
use serde_json::json;

use crate::grafana::{Event, Grafana, TOKEN};

const ONE: &str = r#"{"uid": "shop", "title": "Shop", "panels": [1]}"#;
const TWO: &str = r#"{"uid": "shop", "title": "Shop", "panels": [1, 2]}"#;

const FIND: &str = "GET /api/dashboards/uid/shop";
const TELL: &str = "GET /api/dashboards/uid/shop/versions?limit=10";
const SAVE: &str = "POST /api/dashboards/db";
const FOLDERS: &str = "GET /api/folders?limit=1000&page=1";

fn config(grafana: &Grafana) -> PublishConfig {
    let config = PublishConfig::new(&grafana.url(), Secret::new(TOKEN)).expect("a URL");
    config.with_backoff(Duration::from_millis(1))
}

fn publisher(grafana: &Grafana) -> DashboardPublisher {
    DashboardPublisher::new(config(grafana)).expect("a publisher")
}

#[tokio::test]
async fn a_dashboard_is_created_then_left_until_it_is_another() {
    for is_new in [false, true] {
        let grafana = Grafana::start([]).await;
        grafana.store(|store| store.is_new = is_new);
        let publisher = publisher(&grafana);

        assert_eq!(publisher.publish(ONE).await, Ok(Published::Created));
        assert_eq!(grafana.asked(), [FIND, SAVE]);
        for _ in 0..2 {
            assert_eq!(publisher.publish(ONE).await, Ok(Published::Unchanged));
            assert_eq!(grafana.asked(), [FIND, TELL], "nothing is saved");
        }
        // A return to an earlier content is a change, too.
        for (text, panels) in [(TWO, json!([1, 2])), (ONE, json!([1]))] {
            assert_eq!(publisher.publish(text).await, Ok(Published::Updated), "{is_new}");
            assert_eq!(grafana.asked(), [FIND, TELL, SAVE]);
            let history = grafana.history("shop");
            assert_eq!(history.last().expect("a version").model["panels"], panels);
        }
        // The history is longer than the number of versions that are fetched.
        for _ in 0..10 {
            assert_eq!(publisher.publish(TWO).await, Ok(Published::Updated));
            assert_eq!(publisher.publish(ONE).await, Ok(Published::Updated));
        }
        assert_eq!(grafana.history("shop").len(), 23);
    }
}

#[tokio::test]
async fn one_that_shows_more_can_be_kept_and_what_is_no_less_takes_its_place() {
    let text = |names: &[&str]| {
        let panel = |name| json!({"title": name, "targets": [{"expr": format!("{name}_total")}]});
        let panels: Vec<_> = names.iter().map(panel).collect();
        json!({"uid": "shop", "title": "Shop", "panels": panels}).to_string()
    };
    let grafana = Grafana::start([]).await;
    let publisher = publisher(&grafana);
    let full = text(&["orders", "refunds"]);
    assert_eq!(publisher.publish_unless_less(&full).await, Ok(Published::Created));
    grafana.asked();
    assert_eq!(publisher.publish_unless_less(&text(&["orders"])).await, Ok(Published::Kept));
    assert_eq!(grafana.asked(), [FIND, TELL], "nothing is saved");
    assert_eq!(publisher.publish_unless_less(&full).await, Ok(Published::Unchanged));
    for (names, less) in [
        (&["refunds", "orders"][..], true),
        (&["orders", "returns"], true),
        (&["orders", "returns", "visits"], true),
        (&["visits"], false),
    ] {
        let text = text(names);
        let published = match less {
            true => publisher.publish_unless_less(&text).await,
            false => publisher.publish(&text).await,
        };
        assert_eq!(published, Ok(Published::Updated), "{names:?}");
    }
    grafana.store(|store| store.saved_by("jane", "shop", ""));
    let error = publisher.publish_unless_less(&full).await.expect_err("a person saved it");
    assert!(matches!(error, PublishError::ChangedByAPerson { .. }), "{error:?}");
}

#[tokio::test]
async fn what_a_person_saved_stays() {
    let history = async |saved: &[(&'static str, &str)]| {
        let grafana = Grafana::start([]).await;
        let publisher = publisher(&grafana);
        assert_eq!(publisher.publish(ONE).await, Ok(Published::Created));
        let ours = grafana.history("shop")[0].message.clone();
        for (by, message) in saved {
            let message = message.replace("{ours}", &ours);
            grafana.store(|store| store.saved_by(by, "shop", &message));
        }
        (grafana, publisher)
    };
    for saved in [
        &[("jane", "")][..],
        &[("jane", "My words")],
        &[("joe", "x"), ("jane", "Restored from version 1")],
        // The message was kept by a program that changed the dashboard.
        &[("jane", "{ours}")],
    ] {
        let (grafana, publisher) = history(saved).await;
        let before = grafana.history("shop").len();
        for text in [ONE, TWO] {
            grafana.asked();
            let error = publisher.publish(text).await.expect_err("a person saved it");
            assert!(matches!(&error, PublishError::ChangedByAPerson { .. }), "{error:?}");
            assert_eq!(grafana.asked(), [FIND, TELL], "{saved:?}");
            let url = format!("{}/d/shop", grafana.url());
            let start = format!("dashboard `Shop` at `{url}` was last saved by `jane`, not by");
            assert!(error.to_string().starts_with(&start), "{error}");
        }
        assert_eq!(grafana.history("shop").len(), before);
    }
}

#[tokio::test]
async fn a_dashboard_that_someone_else_made_stays() {
    let grafana = Grafana::start([]).await;
    grafana.store(|store| store.saved_by("jane", "shop", "Initial save"));
    let error = publisher(&grafana).publish(ONE).await.expect_err("a person saved it");
    assert!(matches!(error, PublishError::ChangedByAPerson { .. }), "{error:?}");
    assert_eq!(grafana.asked(), [FIND, TELL]);
}

#[tokio::test]
async fn a_person_who_saves_just_before_us_wins() {
    let saves = || Event::Meanwhile(Box::new(|store| store.saved_by("jane", "shop", "")));
    // During an update, and during a creation.
    for (is_there, before) in [(true, 3), (false, 2)] {
        let grafana = Grafana::start([]).await;
        let publisher = publisher(&grafana);
        if is_there {
            assert_eq!(publisher.publish(ONE).await, Ok(Published::Created));
        }
        grafana.asked();
        grafana.next((1..before).map(|_| Event::Nothing).chain([saves()]));
        let error = publisher.publish(TWO).await.expect_err("a person saved it");
        assert!(matches!(&error, PublishError::ChangedByAPerson { by, .. } if by == "`jane`"));
        let asked = grafana.asked();
        assert_eq!(asked[before - 1..], [SAVE, FIND, TELL], "{is_there}");
        assert_eq!(grafana.history("shop").last().expect("a version").by, "jane");
    }
}

#[tokio::test]
async fn a_dashboard_that_changes_all_the_time_stays() {
    let grafana = Grafana::start([]).await;
    let mismatch = || Event::Answer(412, &[], r#"{"status": "version-mismatch"}"#);
    let publisher = publisher(&grafana);
    assert_eq!(publisher.publish(ONE).await, Ok(Published::Created));
    grafana.asked();
    let round = || [Event::Nothing, Event::Nothing, mismatch()];
    grafana.next(round().into_iter().chain(round()));
    let error = publisher.publish(TWO).await.expect_err("someone else always saves it first");
    assert!(matches!(error, PublishError::ChangedByAPerson { .. }), "{error:?}");
    assert_eq!(grafana.asked(), [FIND, TELL, SAVE, FIND, TELL, SAVE]);
}

#[tokio::test]
async fn processes_that_start_together_publish_once() {
    let grafana = Grafana::start([]).await;
    let publisher = publisher(&grafana);
    let all = tokio::join!(publisher.publish(ONE), publisher.publish(ONE), publisher.publish(ONE));
    let all = [all.0, all.1, all.2];
    assert_eq!(all.iter().filter(|it| **it == Ok(Published::Created)).count(), 1, "{all:?}");
    assert_eq!(all.iter().filter(|it| **it == Ok(Published::Unchanged)).count(), 2, "{all:?}");
    assert_eq!(grafana.history("shop").len(), 1);
}

#[tokio::test]
async fn an_answer_that_got_lost_is_no_change_by_a_person() {
    let grafana = Grafana::start([Event::Nothing, Event::Lost(502)]).await;
    assert_eq!(publisher(&grafana).publish(ONE).await, Ok(Published::Unchanged));
    assert_eq!(grafana.asked(), [FIND, SAVE, SAVE, FIND, TELL]);
    assert_eq!(grafana.history("shop").len(), 1);
}

#[tokio::test]
async fn a_folder_is_found_by_its_title_or_created() {
    let grafana = Grafana::start([]).await;
    grafana.store(|store| store.folders.push(("other".to_owned(), "Services".to_owned())));
    let in_folder = |title: &str| {
        DashboardPublisher::new(config(&grafana).with_folder(title)).expect("a publisher")
    };
    assert_eq!(in_folder("Services").publish(ONE).await, Ok(Published::Created));
    assert_eq!(grafana.asked(), [FIND, FOLDERS, SAVE]);
    assert_eq!(grafana.history("shop")[0].folder, "other");

    // An existing dashboard stays in its folder, whatever folder is set.
    assert_eq!(in_folder("New").publish(TWO).await, Ok(Published::Updated));
    assert_eq!(grafana.history("shop")[1].folder, "other");
    assert_eq!(grafana.asked(), [FIND, TELL, SAVE]);
    for moved in ["", "general"] {
        grafana.store(|store| {
            let versions = store.dashboards.get_mut("shop").expect("it is there");
            versions.last_mut().expect("a version").folder = moved.to_owned();
        });
        let text = ONE.replace("[1]", &format!("[\"{moved}\"]"));
        assert_eq!(in_folder("Services").publish(&text).await, Ok(Published::Updated));
        assert_eq!(grafana.history("shop").last().expect("a version").folder, "");
    }
    grafana.asked();

    let text = ONE.replace("shop", "till");
    assert_eq!(in_folder("New").publish(&text).await, Ok(Published::Created));
    let asked = grafana.asked();
    assert_eq!(asked[1..], [FOLDERS, "POST /api/folders", SAVE]);
    let (uid, title) = grafana.store(|store| store.folders[1].clone());
    assert_eq!((&*title, &grafana.history("till")[0].folder), ("New", &uid));

    // A person renames the folder, which is still used.
    grafana.store(|store| store.folders[1].1 = "Old".to_owned());
    let text = ONE.replace("shop", "desk");
    assert_eq!(in_folder("New").publish(&text).await, Ok(Published::Created));
    assert_eq!(grafana.history("desk")[0].folder, uid);
    assert_eq!(grafana.store(|store| store.folders.len()), 2);
}

#[tokio::test]
async fn a_folder_among_many_is_found() {
    let grafana = Grafana::start([]).await;
    let folders = (0..2000).map(|at| (format!("uid-{at}"), format!("Title {at}")));
    grafana.store(|store| store.folders.extend(folders));
    let config = config(&grafana).with_folder("Title 1500");
    let publisher = DashboardPublisher::new(config).expect("a publisher");
    assert_eq!(publisher.publish(ONE).await, Ok(Published::Created));
    assert_eq!(grafana.history("shop")[0].folder, "uid-1500");
    assert_eq!(grafana.asked().len(), 4, "two pages are enough");
}

#[tokio::test]
async fn a_folder_that_cannot_be_created_is_an_error() {
    let refusal = Event::Answer(400, &[], r#"{"message": "title is bad"}"#);
    let grafana = Grafana::start([Event::Nothing, Event::Nothing, refusal]).await;
    let publisher = DashboardPublisher::new(config(&grafana).with_folder("New")).expect("good");
    let error = publisher.publish(ONE).await.expect_err("no folder").to_string();
    let end = "refuses to create the folder: HTTP status 400 Bad Request: title is bad";
    assert!(error.ends_with(end), "{error}");
    assert!(grafana.history("shop").is_empty());
}

#[tokio::test]
async fn what_is_sent_has_no_number_of_another_grafana() {
    let grafana = Grafana::start([]).await;
    let text = r#"{"id": 3, "version": 12, "uid": "shop", "title": "Shop"}"#;
    assert_eq!(publisher(&grafana).publish(text).await, Ok(Published::Created));
    let sent = grafana.sent(SAVE);
    let model = json!({"id": null, "uid": "shop", "title": "Shop"});
    assert_eq!(sent[0]["dashboard"], model);
    let message = sent[0]["message"].as_str().expect("a message");
    assert!(message.starts_with("Published by meterkit 0."), "{message}");
}
