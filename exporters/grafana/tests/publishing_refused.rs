//! Errors when Grafana refuses a dashboard, or is not available.

use std::time::Duration;

use meterkit_grafana::{
    DashboardPublisher, PublishConfig, PublishError, Published, Secret, Transport,
};
use tokio::net::TcpListener;

use crate::grafana::{Event, Grafana, TOKEN};

const TEXT: &str = r#"{"uid": "shop", "title": "Shop"}"#;
const FIND: &str = "GET /api/dashboards/uid/shop";
const TELL: &str = "GET /api/dashboards/uid/shop/versions?limit=10";
const SAVE: &str = "POST /api/dashboards/db";

fn publisher(url: &str, token: &str) -> DashboardPublisher {
    let config = PublishConfig::new(url, Secret::new(token)).expect("a URL");
    let config = config.with_backoff(Duration::from_millis(1));
    DashboardPublisher::new(config).expect("a publisher")
}

#[tokio::test]
async fn a_wrong_token_is_reported_without_quoting_it() {
    let grafana = Grafana::start([]).await;
    let publisher = publisher(&grafana.url(), "glsa_wrong");
    let error = publisher.publish(TEXT).await.expect_err("a wrong token");
    assert_eq!(
        error.to_string(),
        format!(
            "Grafana at `{}` refuses to find the dashboard: HTTP status 401 Unauthorized: Invalid \
             API key (set GRAFANA_SERVICE_ACCOUNT_TOKEN to the token of a service account of this \
             Grafana)",
            grafana.url()
        )
    );
    assert_eq!(grafana.asked(), [FIND], "it is not tried again");
    assert!(!format!("{error:?}{publisher:?}").contains("glsa_wrong"));
}

#[tokio::test]
async fn a_token_in_a_response_is_not_quoted() {
    const QUOTE: &str = r#"{"message": "no such token: glsa_hunter2"}"#;
    for status in [400, 401, 403, 503] {
        let answers = (0..3).map(|_| Event::Answer(status, &[], QUOTE));
        let grafana = Grafana::start(answers).await;
        let error = publisher(&grafana.url(), TOKEN).publish(TEXT).await.expect_err("refused");
        assert!(error.to_string().contains("no such token: ..."), "{error}");
        assert!(!format!("{error}{error:?}").contains("hunter2"), "{error:?}");
    }
}

#[tokio::test]
async fn each_refusal_says_what_to_do() {
    let page = &[("content-type", "text/html; charset=utf-8")];
    for (status, headers, body, text) in [
        (
            403,
            &[][..],
            r#"{"message": "Access denied"}"#,
            "Access denied (give the service account",
        ),
        (404, page, "<html>", "set GRAFANA_URL to the address of Grafana"),
        (404, &[], "404 page not found", "set GRAFANA_URL to the address of Grafana"),
        (200, page, "<html>", "an answer that is not Grafana's; set GRAFANA_URL"),
        (200, page, "{}", "an answer that is not Grafana's; set GRAFANA_URL"),
        (200, &[], "{}", "an answer that is not Grafana's; set GRAFANA_URL"),
        (200, &[], "", "an answer that is not Grafana's; set GRAFANA_URL"),
        (
            302,
            &[("location", "/login?a=glsa_x")],
            "",
            "set GRAFANA_URL to the target of the redirect",
        ),
        (401, page, "<html>", "set GRAFANA_SERVICE_ACCOUNT_TOKEN"),
    ] {
        let grafana = Grafana::start([Event::Answer(status, headers, body)]).await;
        let error = publisher(&grafana.url(), TOKEN).publish(TEXT).await.expect_err(text);
        assert!(matches!(error, PublishError::Refused { .. }), "{error:?}");
        let error = error.to_string();
        assert!(error.contains(&format!("HTTP status {status} ")), "{error}");
        assert!(error.contains(text) && !error.contains("glsa_x"), "{error}");
        assert_eq!(grafana.asked(), [FIND], "{status}: nothing else is tried");
    }
}

#[tokio::test]
async fn conflicts_that_no_person_made_are_refusals() {
    for (status, body, text) in [
        (412, r#"{"status": "name-exists", "message": "same name"}"#, "same name"),
        (412, r#"{"status": "plugin-dashboard", "message": "of a plugin"}"#, "of a plugin"),
        (400, r#"{"message": "Dashboard title cannot be empty"}"#, "title cannot be empty"),
        (200, "{}", "an answer that is not Grafana's"),
    ] {
        let grafana = Grafana::start([Event::Nothing, Event::Answer(status, &[], body)]).await;
        let error = publisher(&grafana.url(), TOKEN).publish(TEXT).await.expect_err(body);
        assert!(matches!(error, PublishError::Refused { .. }), "{error:?}");
        let error = error.to_string();
        assert!(
            error.contains("refuses to save the dashboard: ") && error.contains(text),
            "{error}"
        );
        assert_eq!(grafana.asked(), [FIND, SAVE]);
    }
}

#[tokio::test]
async fn a_dashboard_from_a_file_is_left_to_it() {
    let grafana = Grafana::start([]).await;
    grafana.store(|store| {
        store.saved_by("", "shop", "");
        store.is_provisioned = true;
    });
    let error = publisher(&grafana.url(), TOKEN).publish(TEXT).await.expect_err("it is there");
    assert!(matches!(error, PublishError::Refused { .. }), "{error:?}");
    assert!(error.to_string().contains("provisioned from a file"), "{error}");
    assert_eq!(grafana.asked(), [FIND]);
}

#[tokio::test]
async fn without_a_history_nothing_is_changed() {
    let grafana = Grafana::start([]).await;
    let publisher = publisher(&grafana.url(), TOKEN);
    assert_eq!(publisher.publish(TEXT).await, Ok(Published::Created));
    grafana.asked();
    for (status, body) in [(404, r#"{"message": "Not found"}"#), (200, r#"{"a": 1}"#)] {
        grafana.next([Event::Nothing, Event::Answer(status, &[], body)]);
        let error = publisher.publish(r#"{"uid": "shop", "title": "b"}"#).await;
        let error = error.expect_err("the origin is unknown");
        assert!(matches!(error, PublishError::Refused { .. }), "{error:?}");
        assert_eq!(grafana.asked(), [FIND, TELL]);
    }
    // The history lacks the last version.
    grafana.next([Event::Nothing, Event::Answer(200, &[], "[]")]);
    let error = publisher.publish(r#"{"uid": "shop", "title": "b"}"#).await;
    assert!(matches!(error, Err(PublishError::ChangedByAPerson { .. })), "{error:?}");
}

#[tokio::test]
async fn temporary_failures_are_retried() {
    let busy = || Event::Answer(503, &[("content-type", "text/html")], "<html>");
    let often = || Event::Answer(429, &[("retry-after", "0")], "{}");
    let grafana = Grafana::start([busy(), often()]).await;
    let publisher = publisher(&grafana.url(), TOKEN);
    assert_eq!(publisher.publish(TEXT).await, Ok(Published::Created));
    assert_eq!(grafana.asked(), [FIND, FIND, FIND, SAVE]);
}

#[tokio::test]
async fn lasting_failures_are_reported_after_three_attempts() {
    let down = || Event::Answer(500, &[], r#"{"message": "Failed to save dashboard"}"#);
    let grafana = Grafana::start([Event::Nothing, down(), down(), down()]).await;
    let error = publisher(&grafana.url(), TOKEN).publish(TEXT).await.expect_err("it is down");
    assert!(matches!(error, PublishError::NoAnswer { attempts: 3, .. }), "{error:?}");
    let start = format!(
        "Grafana at `{}` did not save the dashboard in 3 attempts: HTTP status 500 Internal \
         Server Error: Failed to save dashboard; ",
        grafana.url()
    );
    assert!(error.to_string().starts_with(&start), "{error}");
    assert_eq!(grafana.asked(), [FIND, SAVE, SAVE, SAVE]);
}

#[tokio::test]
async fn an_unreachable_server_is_reported() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let error = publisher(&url, TOKEN).publish(TEXT).await.expect_err("nobody is there");
    assert!(matches!(error, PublishError::NoAnswer { attempts: 3, .. }), "{error:?}");
    assert!(error.to_string().contains(&format!("`{url}`")), "{error}");
}

#[tokio::test]
async fn a_silent_server_times_out() {
    // The listener never accepts connections.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let config = PublishConfig::new(&url, Secret::new(TOKEN)).expect("a URL");
    let transport = Transport::default().with_timeout(Duration::from_millis(20));
    let config = config.with_transport(transport).with_backoff(Duration::ZERO);
    let publisher = DashboardPublisher::new(config).expect("a publisher");
    let error = publisher.publish(TEXT).await.expect_err("no answer").to_string();
    assert!(error.contains("no answer within 20 ms"), "{error}");
    drop(listener);
}

#[tokio::test]
async fn a_text_that_is_no_dashboard_is_not_sent() {
    let grafana = Grafana::start([]).await;
    let error = publisher(&grafana.url(), TOKEN).publish("{}").await.expect_err("no uid");
    assert!(matches!(error, PublishError::NotADashboard { .. }), "{error:?}");
    assert!(grafana.asked().is_empty());
}

#[test]
fn a_token_that_no_header_may_hold_is_an_error_at_the_start() {
    let config = PublishConfig::new("http://g", Secret::new("hunter2\n")).expect("a URL");
    let error = DashboardPublisher::new(config).expect_err("a bad token");
    let text = format!("{error}");
    assert!(text.contains("GRAFANA_SERVICE_ACCOUNT_TOKEN: header `Authorization`"), "{text}");
    assert!(!format!("{text}{error:?}").contains("hunter2"), "{error:?}");
}
