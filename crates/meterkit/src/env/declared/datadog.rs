//! Variables about the Datadog target: those of Datadog's own libraries, and what only this one has.

use std::time::Duration;

use crate::env::setting::{Setting, interval, read_by_target, text};
use crate::env::variable::{ValueType, Variable};

settings! {
    API_KEY: String = text("DD_API_KEY")
        .target("datadog")
        .secret()
        .meaning("the key of the account");

    SITE: String = read_by_target("DD_SITE", ValueType::Host)
        .target("datadog")
        .by_default("`datadoghq.com`")
        .meaning("the installation that the account lives in");

    ENV: String = text("DD_ENV")
        .target("datadog")
        .by_default("`deployment.environment.name` of the resource")
        .meaning("the tag `env`");

    SERVICE: String = text("DD_SERVICE")
        .target("datadog")
        .by_default("`service.name` of the resource")
        .meaning("the tag `service`");

    VERSION: String = text("DD_VERSION")
        .target("datadog")
        .by_default("`service.version` of the resource")
        .meaning("the tag `version`");

    TAGS: String = read_by_target("DD_TAGS", ValueType::Tags)
        .target("datadog")
        .meaning("tags of everything that is sent");

    HOSTNAME: String = text("DD_HOSTNAME")
        .target("datadog")
        .by_default("`host.name` of the resource")
        .meaning("the host that metrics are of");

    AGENT_HOST: String = read_by_target("DD_AGENT_HOST", ValueType::Host)
        .target("datadog")
        .by_default("`localhost`")
        .meaning("where the agent listens");

    DOGSTATSD_PORT: String = read_by_target("DD_DOGSTATSD_PORT", ValueType::PeerPort)
        .target("datadog")
        .by_default("`8125`")
        .meaning("where the agent listens");

    DOGSTATSD_URL: String = read_by_target("DD_DOGSTATSD_URL", ValueType::Url)
        .target("datadog")
        .meaning("where the agent listens, as `udp://` or `unix://`");

    MODE: String =
        read_by_target("METERKIT_DATADOG_MODE", ValueType::Word(&["api", "agent", "otlp"]))
            .target("datadog")
            .by_default("`api`")
            .meaning("how metrics are sent");

    ENDPOINT: String = read_by_target("METERKIT_DATADOG_ENDPOINT", ValueType::Url)
        .target("datadog")
        .by_default("that of `DD_SITE`")
        .meaning("where to send to instead");

    INTERVAL: Duration = interval("METERKIT_DATADOG_INTERVAL")
        .target("datadog")
        .by_default("as `OTEL_METRIC_EXPORT_INTERVAL`")
        .meaning("the time between two exports of this target");
}
