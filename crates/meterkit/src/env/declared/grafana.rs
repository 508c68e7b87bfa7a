//! Variables about the Grafana target.

use std::time::Duration;

use crate::env::setting::{Setting, count, interval, read_by_target, text};
use crate::env::variable::{ValueType, Variable};

/// About the dashboard, which no target has.
pub(in crate::env) const PUBLISHING: [&str; 3] =
    ["GRAFANA_URL", "GRAFANA_SERVICE_ACCOUNT_TOKEN", "GRAFANA_FOLDER"];

settings! {
    CLOUD_ZONE: String = text("GRAFANA_CLOUD_ZONE")
        .target("grafana")
        .meaning("the zone of the stack in Grafana Cloud, as in `prod-eu-west-2`");

    CLOUD_INSTANCE_ID: String = read_by_target("GRAFANA_CLOUD_INSTANCE_ID", ValueType::Number)
        .target("grafana")
        .meaning("the instance of the stack");

    CLOUD_API_KEY: String = text("GRAFANA_CLOUD_API_KEY")
        .target("grafana")
        .secret()
        .meaning("a token that may write metrics to it");

    REMOTE_WRITE_URL: String = read_by_target("GRAFANA_REMOTE_WRITE_URL", ValueType::Url)
        .target("grafana")
        .meaning("where remote write goes to");

    REMOTE_WRITE_USERNAME: String = text("GRAFANA_REMOTE_WRITE_USERNAME")
        .target("grafana")
        .meaning("who writes");

    REMOTE_WRITE_PASSWORD: String = text("GRAFANA_REMOTE_WRITE_PASSWORD")
        .target("grafana")
        .secret()
        .meaning("the password of who writes");

    REMOTE_WRITE_BEARER_TOKEN: String = text("GRAFANA_REMOTE_WRITE_BEARER_TOKEN")
        .target("grafana")
        .secret()
        .meaning("a token, instead of name and password");

    REMOTE_WRITE_TENANT: String = text("GRAFANA_REMOTE_WRITE_TENANT")
        .target("grafana")
        .meaning("the tenant, for Mimir");

    QUEUE_BYTES: usize = count("METERKIT_GRAFANA_QUEUE_BYTES")
        .target("grafana")
        .by_default("`67108864`")
        .meaning("what remote write keeps at most while the receiver is down, in bytes");

    QUEUE_AGE: Duration = interval("METERKIT_GRAFANA_QUEUE_AGE")
        .target("grafana")
        .by_default("`7200000`")
        .meaning("for how long it keeps it");

    SPOOL_DIR: String = read_by_target("METERKIT_GRAFANA_SPOOL_DIR", ValueType::Text)
        .target("grafana")
        .meaning("a directory to keep it in, so that it outlives a crash; in memory without");

    URL: String = read_by_target("GRAFANA_URL", ValueType::Url)
        .target("grafana")
        .meaning("a Grafana to put a dashboard of all instruments into, with feature `dashboard` too");

    SERVICE_ACCOUNT_TOKEN: String = text("GRAFANA_SERVICE_ACCOUNT_TOKEN")
        .target("grafana")
        .secret()
        .meaning("a token that may write dashboards there");

    FOLDER: String = text("GRAFANA_FOLDER")
        .target("grafana")
        .by_default("the folder `General`")
        .meaning("the folder for the dashboard");

    INTERVAL: Duration = interval("METERKIT_GRAFANA_INTERVAL")
        .target("grafana")
        .by_default("as `OTEL_METRIC_EXPORT_INTERVAL`")
        .meaning("the time between two exports of this target");
}
