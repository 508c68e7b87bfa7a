//! Variables about the Datadog target: those of Datadog's own libraries, and what only this one has.

use std::time::Duration;

use crate::env::setting::{Setting, boolean, interval, read_by_target, text};
use crate::env::variable::{ValueType, Variable};

settings! {
    API_KEY: String = read_by_target("DD_API_KEY", ValueType::Text)
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
        .by_default("`host.name` of the resource, or the host of the agent")
        .meaning("the host that metrics are of");

    AGENT_HOST: String = read_by_target("DD_AGENT_HOST", ValueType::Host)
        .target("datadog")
        .by_default("`localhost`")
        .meaning("where the agent listens, on UDP");

    DOGSTATSD_PORT: String = read_by_target("DD_DOGSTATSD_PORT", ValueType::PeerPort)
        .target("datadog")
        .by_default("`8125`")
        .meaning("where the agent listens");

    DOGSTATSD_URL: String = read_by_target("DD_DOGSTATSD_URL", ValueType::Url)
        .target("datadog")
        .meaning("where the agent listens, as `udp://host:8125` or `unix:///path`; wins over the two before");

    MODE: String =
        read_by_target("METERKIT_DATADOG_MODE", ValueType::Word(&["api", "agent", "otlp"]))
            .target("datadog")
            .by_default("`api` with a key, else `agent`")
            .meaning("whether metrics go to the intake, to an agent, or as OTLP to the intake or an agent");

    ENDPOINT: String = read_by_target("METERKIT_DATADOG_ENDPOINT", ValueType::Url)
        .target("datadog")
        .by_default("that of `DD_SITE`")
        .meaning("where to send to instead; for `api`, `/api/v2/series` and the like are added");

    SCOPE_TAGS: bool = boolean("METERKIT_DATADOG_SCOPE_TAGS")
        .target("datadog")
        .by_default("`false`")
        .meaning("whether the scope becomes the tags `instrumentation_scope` and `instrumentation_scope_version`");

    INSTANCE_TAG: bool = boolean("METERKIT_DATADOG_INSTANCE_TAG")
        .target("datadog")
        .by_default("`true`")
        .meaning("whether `service.instance.id`, else a random id, is a tag that keeps the counts of processes apart");

    PROXY_HTTPS: String = read_by_target("DD_PROXY_HTTPS", ValueType::Url)
        .target("datadog")
        .by_default("`HTTPS_PROXY`")
        .meaning("the proxy on the way to the intake");

    PROXY_HTTP: String = read_by_target("DD_PROXY_HTTP", ValueType::Url)
        .target("datadog")
        .by_default("`HTTP_PROXY`")
        .meaning("the same for an endpoint with `http`");

    PROXY_NO_PROXY: String = read_by_target("DD_PROXY_NO_PROXY", ValueType::Text)
        .target("datadog")
        .by_default("`NO_PROXY`")
        .meaning("hosts that are reached without one");

    EXTERNAL_DATA: String = text("DD_EXTERNAL_ENV")
        .target("datadog")
        .meaning("what the admission controller says of the pod, for the agent");

    ENTITY_ID: String = text("DD_ENTITY_ID")
        .target("datadog")
        .meaning("the pod's id, for the agent: the tag `dd.internal.entity_id`");

    INTERVAL: Duration = interval("METERKIT_DATADOG_INTERVAL")
        .target("datadog")
        .by_default("as `OTEL_METRIC_EXPORT_INTERVAL`")
        .meaning("the time between two exports of this target");
}
