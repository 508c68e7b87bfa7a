//! Code that records metrics, and its tests, which need no server and are isolated from each other:
//! `cargo test -p ways-of-use --example testing`.

use std::time::Duration;

use meterkit::{Counter, Histogram, Meter, Metrics, Telemetry};

#[derive(Metrics)]
#[metrics(scope = "plugin", name = "mail")]
struct MailMetrics {
    /// Mails that were sent.
    #[metric(unit = "{mail}")]
    sent: Counter,
    /// Time that mails wait before they are sent.
    #[metric(unit = "s")]
    waited: Histogram,
}

/// The code under test, which receives its metrics as an argument.
fn send(metrics: &MailMetrics, waited: Duration) {
    metrics.sent.increment();
    metrics.waited.record(waited);
}

fn main() -> Result<(), meterkit::Error> {
    let telemetry = Telemetry::from_env()?.install()?;
    send(&MailMetrics::register_on(&Meter::scoped("plugin", "mail")), Duration::from_millis(250));
    print!("{}", meterkit::testing::Seen::of(meterkit::Registry::global()));
    telemetry.shutdown_blocking()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use meterkit::testing::{TestKit, assert_metric};

    use super::*;

    #[test]
    fn a_mail_is_counted_with_the_time_that_it_waited() {
        let kit = TestKit::new();
        let metrics = MailMetrics::register_on(&kit.scoped("plugin", "mail"));
        send(&metrics, Duration::from_millis(500));
        send(&metrics, Duration::from_secs(2));
        let seen = kit.collect();
        assert_metric!(seen, "backstage.plugin.mail.sent" == 2);
        assert_metric!(seen, "backstage.plugin.mail.waited" count == 2, sum == 2.5);
    }
}
