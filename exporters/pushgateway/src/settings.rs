//! The operator's settings of a push gateway target.

use std::error::Error;
use std::time::Duration;

use http::Uri;
use meterkit_http::{
    AuthenticationSettings, Compression, Proxy, TransportSettings, proxy, transport,
};
use meterkit_pipeline::{IntoTarget, Target};
use meterkit_settings::{
    Reader, Setting, TargetDeclaration, ValueType, boolean, export_interval, pairs, password,
    settings, text, token, url, username, word,
};

use crate::config::PushgatewayConfig;
use crate::format::PushFormat;
use crate::group::labels_problem;
use crate::method::PushMethod;
use crate::target::PushgatewayTarget;

settings! {
    SETTINGS for Some("pushgateway");

    URL: String = url("METERKIT_PUSHGATEWAY_URL")
        .key("url")
        .meaning("the address of the push gateway, as in `http://pushgateway:9091`");

    JOB: String = text("METERKIT_PUSHGATEWAY_JOB")
        .key("job")
        .by_default("the resource's `service.name`")
        .meaning("the label `job` of the group that metrics are pushed to");

    GROUPING: Vec<(String, String)> =
        Setting::new("METERKIT_PUSHGATEWAY_GROUPING", ValueType::Pairs, grouping)
            .key("grouping")
            .by_default("none")
            .meaning("further labels of the group, as in `instance=worker-7,region=eu`");

    METHOD: PushMethod = word("METERKIT_PUSHGATEWAY_METHOD")
        .key("method")
        .by_default("`put`")
        .meaning(
            "whether a push replaces all metrics of the group, or only those with the same names",
        );

    FORMAT: PushFormat = word("METERKIT_PUSHGATEWAY_FORMAT")
        .key("format")
        .by_default("`text`")
        .meaning(
            "the format of pushes; with `protobuf`, exponential histograms are sent as native histograms",
        );

    DELETE_ON_SHUTDOWN: bool = boolean("METERKIT_PUSHGATEWAY_DELETE_ON_SHUTDOWN")
        .key("delete_on_shutdown")
        .by_default("`false`")
        .meaning("whether the group is deleted after the last push");

    USERNAME: String = username("METERKIT_PUSHGATEWAY_USERNAME")
        .key("username")
        .meaning("the user name for HTTP Basic authentication");

    PASSWORD: String = password("METERKIT_PUSHGATEWAY_PASSWORD")
        .key("password")
        .meaning("the password for HTTP Basic authentication");

    BEARER_TOKEN: String = token("METERKIT_PUSHGATEWAY_BEARER_TOKEN")
        .key("bearer_token")
        .meaning("the bearer token, instead of a user name and password");

    COMPRESSION: Compression =
        transport::compression_of("METERKIT_PUSHGATEWAY_COMPRESSION", &["gzip", "none"])
            .by_default("`none`");

    TIMEOUT: Duration = transport::timeout("METERKIT_PUSHGATEWAY_TIMEOUT").by_default("`10000`");

    CERTIFICATE: String = transport::certificate("METERKIT_PUSHGATEWAY_CERTIFICATE");

    CLIENT_KEY: String = transport::client_key("METERKIT_PUSHGATEWAY_CLIENT_KEY");

    CLIENT_CERTIFICATE: String =
        transport::client_certificate("METERKIT_PUSHGATEWAY_CLIENT_CERTIFICATE");

    PROXY: Proxy = proxy("METERKIT_PUSHGATEWAY_PROXY")
        .key("proxy")
        .by_default("`HTTPS_PROXY` or `HTTP_PROXY`")
        .meaning("the URL of the proxy on the way to the gateway");
}

const INTERVAL: Setting<Duration> = export_interval("METERKIT_PUSHGATEWAY_INTERVAL", "pushgateway");

/// The declaration of the target, which `OTEL_METRICS_EXPORTER` selects by name.
pub const TARGET: TargetDeclaration<Box<dyn IntoTarget>> = TargetDeclaration {
    name: "pushgateway",
    settings: SETTINGS,
    interval: &INTERVAL,
    sections: &["pushgateway"],
    read,
    read_section: |_, reader| {
        reader.refuse_others_than(SETTINGS);
        read(reader)
    },
};

fn read(reader: &Reader<'_>) -> Option<Box<dyn IntoTarget>> {
    let config = PushgatewayConfig::read(reader)?;
    Some(Box::new(config))
}

impl IntoTarget for PushgatewayConfig {
    fn target_name(&self) -> &str {
        "pushgateway"
    }

    fn into_target(self: Box<Self>) -> Result<Box<dyn Target>, Box<dyn Error + Send + Sync>> {
        Ok(PushgatewayTarget::new(*self)?.into())
    }
}

pub(crate) const TRANSPORT: TransportSettings = TransportSettings {
    package: "meterkit-pushgateway",
    proxy: Some(PROXY),
    compression: COMPRESSION,
    timeout: TIMEOUT,
    certificate: CERTIFICATE,
    client_key: CLIENT_KEY,
    client_certificate: CLIENT_CERTIFICATE,
    credentials: &["METERKIT_PUSHGATEWAY_PASSWORD", "METERKIT_PUSHGATEWAY_BEARER_TOKEN"],
    endpoint: "METERKIT_PUSHGATEWAY_URL",
    protocol: "",
    paths: &[],
};

const AUTHENTICATION: AuthenticationSettings =
    AuthenticationSettings { username: USERNAME, password: PASSWORD, bearer_token: BEARER_TOKEN };

fn grouping(text: &str) -> Result<Vec<(String, String)>, String> {
    let labels = pairs(text)?;
    labels_problem(&labels).map_or(Ok(labels), Err)
}

impl PushgatewayConfig {
    /// Reads the variables `METERKIT_PUSHGATEWAY_*`: the address of the gateway, the job and further labels of the
    /// group, the method, the format, the credentials and the transport. Returns `None` if there are problems, such as
    /// a missing address.
    pub fn read(reader: &Reader<'_>) -> Option<Self> {
        let [name, password] = [&USERNAME, &PASSWORD].map(|setting| reader.name(setting));
        let credentials = format!("write them into {name} and {password}");
        let url: Option<Uri> = reader.get_with(&URL, |text| Self::read_url(text, &credentials));
        if !reader.is_set(&URL) {
            let remedy = "write the address of the gateway, such as `http://pushgateway:9091`";
            reader.refuse(&URL, format!("is not set; {remedy}"));
        }
        let authentication = AUTHENTICATION.read(reader);
        let job = reader.get(&JOB);
        let grouping = reader.get(&GROUPING);
        let method = reader.get(&METHOD);
        let format = reader.get(&FORMAT);
        let delete_on_shutdown = reader.get(&DELETE_ON_SHUTDOWN);
        let transport = TRANSPORT.read(reader);
        let config = Self::to(url?);
        Some(
            Self {
                authentication,
                job,
                grouping: grouping.unwrap_or_default(),
                method: method.unwrap_or_default(),
                format: format.unwrap_or_default(),
                delete_on_shutdown: delete_on_shutdown.unwrap_or_default(),
                ..config
            }
            .with_transport(transport),
        )
    }
}

#[cfg(all(test, feature = "tls"))]
mod tests;
